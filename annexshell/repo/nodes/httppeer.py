"""A repository behind git-annex's HTTP API: the client's side of it (upstream: P2P/Http/Client.hs, Remote/Git.hs).

The server may speak any version from 0 to 4; it is asked in the newest one, and in older ones when it does not know
that. What a version can't say is made up for here.
"""

from __future__ import annotations

from annexshell.errors import (
    AnnexshellError,
    BadResponse,
    NodeError,
    NodeFailed,
    NotPresent,
    TooLate,
)
from annexshell.model.key import Key
from annexshell.repo.nodes.httprequests import display, of_key
from annexshell.repo.nodes.httptransfer import HttpReading, HttpWriting
from annexshell.repo.port import AlreadyHave, Held, Reading, Repository, Writing
from annexshell.wire import endpoints, httpapi
from annexshell.wire.endpoints import ENDPOINTS
from annexshell.wire.http1 import parse_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.net.httpclient import Response
    from annexshell.repo.nodes.httprequests import HttpRequests

_SOME_KEY = Key(b"WORM", b"x")


class HttpRepository(Repository):
    """A node. `clock` gives our own boot time, for nodes without one."""

    def __init__(self, requests: HttpRequests, clock: Callable[[], int]) -> None:
        self.uuid = requests.uuid
        self.name = requests.name
        self._requests = requests
        self._clock = clock

    def present(self, key: Key) -> bool:
        answer = self._requests.must_answer("checkpresent", of_key(key))
        with self._requests.blamed():
            return httpapi.flag(answer, "present")

    def lock(self, key: Key) -> Held:
        answer = self._requests.must_answer("lockcontent", of_key(key))
        with self._requests.blamed():
            if not httpapi.flag(answer, "locked"):
                raise NotPresent("the content is not present, or can't be locked")
            lock_id = httpapi.decode_value(httpapi.text(answer, "lockid"))
        return HttpHeld(self._requests, lock_id)

    def timestamp(self) -> int:
        answer = self._requests.ask("gettimestamp")
        if answer is None:
            if self._requests.version >= ENDPOINTS["gettimestamp"].since:
                self.present(_SOME_KEY)  # perhaps it is not that the server is old: it may have no such repository
            return self._clock()
        with self._requests.blamed():
            return httpapi.number(answer, "timestamp")

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        answer = None
        if before is not None:
            answer = self._requests.ask("remove-before", of_key(key), (endpoints.TIMESTAMP, b"%d" % max(before, 0)))
            if answer is None and self._clock() >= before:
                raise TooLate("the time until which the removal was allowed has passed")
        if answer is None:
            answer = self._requests.must_answer("remove", of_key(key))
        with self._requests.blamed():
            uuids = httpapi.plus_uuids(answer)
            if not httpapi.flag(answer, "removed"):
                raise NodeFailed("the content could not be removed", uuids)
        return uuids

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        response = self._get(key, offset, file)
        if self._requests.is_unknown(response):  # or the content: the status is the same
            if not self.present(key):
                raise NotPresent("the content is not present")
            response = self._get(key, offset, file)
        if response.status != 200:
            raise self._requests.failure(response)
        try:
            with self._requests.blamed():
                reading = HttpReading(self._requests, response, _content_length(response, key, offset))
        except AnnexshellError:
            response.finish(False)
            raise
        # git-annex's server sends nothing in place of content that it does not have.
        if reading.length == 0 and reading.is_valid() and not self.present(key):
            raise NotPresent("the content is not present")
        return reading

    def _get(self, key: Key, offset: int, file: bytes) -> Response:
        arguments = [*display(file), *([(endpoints.OFFSET, b"%d" % offset)] if offset else [])]
        return self._requests.respond(b"GET", httpapi.key_endpoint(key.serialized), tuple(arguments), [])

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        answer = self._requests.ask("putoffset", of_key(key))
        if answer is None:  # in version 0 uploads are not continued
            return AlreadyHave() if self.present(key) else HttpWriting(self._requests, key, file, 0)
        with self._requests.blamed():
            if "alreadyhave" in answer:
                return AlreadyHave(httpapi.plus_uuids(answer))
            return HttpWriting(self._requests, key, file, httpapi.number(answer, "offset"))

    def close(self) -> None:
        self._requests.close()


def _content_length(response: Response, key: Key, offset: int) -> int:
    """Bytes of content in a body, which version 0 need not say. Raises BadResponse."""
    announced = response.head.field(httpapi.DATA_LENGTH.lower())
    if announced:
        length = parse_length(announced)
    elif response.length >= 0:
        length = response.length
    elif key.size is not None:
        length = max(0, key.size - offset)
    else:
        raise BadResponse("it does not say how long the content is")
    if response.length >= 0 and response.length != length:
        raise BadResponse(f"it announces {length} bytes of content but sends {response.length}")
    return length


class HttpHeld(Held):
    """A lock that the server keeps for ten minutes unless it is told that it may go.

    The API has a request that stays open for as long as a lock is needed (keeplocked). It is made only to unlock, since
    no client relies on a lock for longer, and git-annex's server unlocks as soon as that connection comes to an end,
    for which there are many reasons.
    """

    def __init__(self, requests: HttpRequests, lock_id: bytes) -> None:
        self._requests = requests
        self._lock_id = lock_id

    def release(self) -> None:
        try:
            self._requests.end_lock(self._lock_id)
        except NodeError:
            pass  # nobody relies on the lock any more, and it ends by itself

    def abandon(self) -> None:
        pass
