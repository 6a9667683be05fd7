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
    PeerError,
    TooLate,
    node_error,
)
from annexshell.model.key import Key
from annexshell.model.show import visible
from annexshell.net.patience import storing, working
from annexshell.repo.nodes.httptransfer import HttpReading, HttpWriting
from annexshell.repo.port import AlreadyHave, Held, Reading, Repository, Writing
from annexshell.wire import httpapi
from annexshell.wire.http1 import parse_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.net.httpclient import Connection, HttpClient, Response
    from annexshell.repo.nodes.httpauth import Credentials
    from annexshell.wire.httpapi import Answer

    Parameter = tuple[str, bytes]

_MAX_ERROR = 65536  # bytes of an answer that says that something did not work
_NO_BODY = (b"Content-Length", b"0")
_SOME_KEY = Key(b"WORM", b"x")


class HttpRepository(Repository):
    """A node. `name` is for people, `prefix` what paths on the server begin with, `our_uuid` who we say we are.
    `clock` gives our own boot time, for nodes without one; `bypass` are gateways that must not be asked again."""

    def __init__(
        self,
        uuid: bytes,
        name: str,
        client: HttpClient,
        prefix: bytes,
        credentials: Credentials,
        our_uuid: bytes,
        clock: Callable[[], int],
        bypass: list[bytes] | None = None,
    ) -> None:
        self.uuid = uuid
        self.name = name
        self._client = client
        self._prefix = prefix
        self._credentials = credentials
        self._our_uuid = our_uuid
        self._clock = clock
        self._bypass = bypass or []
        self._version = httpapi.MAX_VERSION  # the newest that the server is not known to lack

    # Requests

    def _target(self, endpoint: str, *parameters: Parameter) -> bytes:
        common = [("clientuuid", self._our_uuid)]
        if self._version >= httpapi.BYPASS_SINCE:
            common += [("bypass", uuid) for uuid in self._bypass]
        return httpapi.target(self._prefix, self.uuid, self._version, endpoint, [*parameters, *common])

    def _ask(self, endpoint: str, *parameters: Parameter) -> Answer | None:
        """What the server answers to a request without a body; None if it does not know any version of the request.
        Raises NodeError."""
        newest = self._version
        for version in range(newest, httpapi.SINCE[endpoint] - 1, -1):
            self._version = version
            response = self._respond(b"POST", endpoint, parameters, [_NO_BODY])
            if not self._is_unknown(response):
                return self.answer(response)
        self._version = newest
        return None

    def _must_answer(self, endpoint: str, *parameters: Parameter) -> Answer:
        """The same for a request that every server knows."""
        answer = self._ask(endpoint, *parameters)
        if answer is None:
            raise NodeError(self.name, "the server answers 404: it has no such repository, or has it at another url")
        return answer

    def _respond(
        self,
        method: bytes,
        endpoint: str,
        parameters: tuple[Parameter, ...],
        fields: list[tuple[bytes, bytes]],
        body: bytes = b"",
    ) -> Response:
        """The answer to a request, made again with credentials if the server wants some. Raises NodeError."""
        target = self._target(endpoint, *parameters)
        work = working(self._client.hops) if endpoint.startswith(("remove", "key/")) else 0.0
        with self.blamed():
            while True:
                response = self._client.request(method, target, [*fields, *self._credentials.fields], body, work)
                if response.status != 401:
                    break
                response.text(_MAX_ERROR)
                if not self._credentials.refused(response.head.values(b"www-authenticate")):
                    raise self.failure(response)
        if response.status == 200:
            self._credentials.accepted()
        return response

    def _is_unknown(self, response: Response) -> bool:
        """Whether the server may not know the version. It should say 404 then; git-annex's says 400."""
        if response.status == 404:
            self._text(response)
            return True
        return response.status == 400 and self._text(response) == b"bad version"

    def begin_put(self, key: Key, file: bytes, offset: int, length: int) -> Connection:
        """A connection on which `length` bytes of content are expected, those from the offset on. Raises NodeError."""
        target = self._target("put", _of(key), *_display(file), ("offset", b"%d" % offset))
        size = b"%d" % length
        fields = [(b"Content-Type", httpapi.OCTETS), (b"Content-Length", size), (httpapi.DATA_LENGTH, size)]
        with self.blamed():
            return self._client.begin(b"POST", target, [*fields, *self._credentials.fields])

    def put_present(self, key: Key, file: bytes) -> Answer:
        """The answer to being told that the content came by another way. Raises NodeError."""
        if self._version < httpapi.DATA_PRESENT_SINCE:
            raise NodeError(self.name, "it can't be told of content that came by another way")
        fields = [(b"Content-Type", httpapi.OCTETS), _NO_BODY, (httpapi.DATA_LENGTH, b"%d" % (key.size or 0))]
        parameters = (_of(key), *_display(file), ("data-present", b"true"))
        return self.answer(self._respond(b"POST", "put", parameters, fields))

    # Answers

    def stored(self, connection: Connection, length: int) -> Answer:
        """What the server says when an object of some bytes has come to it. Raises NodeError."""
        with self.blamed():
            response = connection.response(storing(self._client.hops, length))
        return self.answer(response)

    def blamed(self) -> _Blamed:
        """In this context what fails is the server's fault: raises NodeError."""
        return _Blamed(self.name)

    def _text(self, response: Response) -> bytes:
        with self.blamed():
            return response.text(httpapi.MAX_ANSWER if response.status == 200 else _MAX_ERROR)

    def answer(self, response: Response) -> Answer:
        """What the body says. Raises NodeError, also for a status other than that of success."""
        if response.status != 200:
            raise self.failure(response)
        with self.blamed():
            return httpapi.parse_answer(self._text(response))

    def failure(self, response: Response) -> NodeError:
        """What to tell of an answer whose status is not that of success. Ends the answer."""
        response.finish(False)
        said = f"{response.status} {response.head.reason}".strip()
        if response.status == 401:
            return NodeError(self.name, f"the server wants another user name and password than git knows ({said})")
        if response.status == 403:
            return NodeError(self.name, f"the server does not allow this ({said})")
        if 300 <= response.status < 400:
            where = visible(b" ".join(response.head.values(b"location")[:1]))
            advice = f"set annexUrl to what {where} is part of"
            moved = f"the server is elsewhere ({said})"
            return NodeError(self.name, f"{moved}: {advice}", moved)
        return NodeError(self.name, f"the server answers {said}")

    # The port

    def present(self, key: Key) -> bool:
        answer = self._must_answer("checkpresent", _of(key))
        with self.blamed():
            return httpapi.flag(answer, "present")

    def lock(self, key: Key) -> Held:
        answer = self._must_answer("lockcontent", _of(key))
        with self.blamed():
            if not httpapi.flag(answer, "locked"):
                raise NotPresent("the content is not present, or can't be locked")
            lock_id = httpapi.decode_value(httpapi.text(answer, "lockid"))
        return HttpHeld(self, lock_id)

    def end_lock(self, lock_id: bytes) -> None:
        """The client needs it no more. Raises NodeError."""
        body = httpapi.unlock_request()
        fields = [(b"Content-Type", httpapi.JSON), (b"Content-Length", b"%d" % len(body))]
        self._text(self._respond(b"POST", "keeplocked", (("lockid", lock_id),), fields, body))

    def timestamp(self) -> int:
        answer = self._ask("gettimestamp")
        if answer is None:
            if self._version >= httpapi.SINCE["gettimestamp"]:
                self.present(_SOME_KEY)  # perhaps it is not that the server is old: it may have no such repository
            return self._clock()
        with self.blamed():
            return httpapi.number(answer, "timestamp")

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        answer = None
        if before is not None:
            answer = self._ask("remove-before", _of(key), ("timestamp", b"%d" % max(before, 0)))
            if answer is None and self._clock() >= before:
                raise TooLate("the time until which the removal was allowed has passed")
        if answer is None:
            answer = self._must_answer("remove", _of(key))
        with self.blamed():
            uuids = httpapi.plus_uuids(answer)
            if not httpapi.flag(answer, "removed"):
                raise NodeFailed("the content could not be removed", uuids)
        return uuids

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        response = self._get(key, offset, file)
        if self._is_unknown(response):  # or the content: the status is the same
            if not self.present(key):
                raise NotPresent("the content is not present")
            response = self._get(key, offset, file)
        if response.status != 200:
            raise self.failure(response)
        try:
            with self.blamed():
                reading = HttpReading(self, response, _content_length(response, key, offset))
        except AnnexshellError:
            response.finish(False)
            raise
        # git-annex's server sends nothing in place of content that it does not have.
        if reading.length == 0 and reading.is_valid() and not self.present(key):
            raise NotPresent("the content is not present")
        return reading

    def _get(self, key: Key, offset: int, file: bytes) -> Response:
        parameters = [*_display(file), *([("offset", b"%d" % offset)] if offset else [])]
        return self._respond(b"GET", httpapi.key_endpoint(key.serialized), tuple(parameters), [])

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        answer = self._ask("putoffset", _of(key))
        if answer is None:  # in version 0 uploads are not continued
            return AlreadyHave() if self.present(key) else HttpWriting(self, key, file, 0)
        with self.blamed():
            if "alreadyhave" in answer:
                return AlreadyHave(httpapi.plus_uuids(answer))
            return HttpWriting(self, key, file, httpapi.number(answer, "offset"))

    def close(self) -> None:
        self._client.close()


def _of(key: Key) -> Parameter:
    return "key", key.serialized


def _display(file: bytes) -> list[Parameter]:
    return [("associatedfile", file)] if file else []


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
        raise BadResponse(f"it announces {length} bytes of content and sends {response.length}")
    return length


class _Blamed:
    """See HttpRepository.blamed."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (PeerError, OSError)):
            raise node_error(self._name, error) from None


class HttpHeld(Held):
    """A lock that the server keeps for ten minutes unless it is told that it may go.

    The API has a request that stays open for as long as a lock is needed (keeplocked). It is made only to unlock, since
    no client relies on a lock for longer, and git-annex's server unlocks as soon as that connection comes to an end,
    for which there are many reasons.
    """

    def __init__(self, repository: HttpRepository, lock_id: bytes) -> None:
        self._repository = repository
        self._lock_id = lock_id

    def release(self) -> None:
        try:
            self._repository.end_lock(self._lock_id)
        except NodeError:
            pass  # nobody relies on the lock any more, and it ends by itself

    def abandon(self) -> None:
        pass
