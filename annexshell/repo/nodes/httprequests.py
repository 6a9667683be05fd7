"""The requests that a repository behind git-annex's HTTP API is asked (upstream: P2P/Http/Client.hs).

The server may speak any version from 0 to 4; it is asked in the newest one, and in older ones when it does not know
that.
"""

from __future__ import annotations

from annexshell.errors import Cause, NodeError, PeerError, node_error
from annexshell.model.show import visible
from annexshell.net.patience import storing, working
from annexshell.wire import endpoints, httpapi
from annexshell.wire.endpoints import ENDPOINTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.net.httpclient import ClientConnection, Response
    from annexshell.repo.nodes.httpway import HttpWay
    from annexshell.wire.httpapi import Answer

    Argument = tuple[endpoints.Parameter, bytes]

_MAX_ERROR = 65536  # bytes of an answer that says that something did not work
_MOVED = (301, 302, 307, 308)  # the method stays: browsers make a GET of some, which nobody here would want
_MOST_MOVES = 5  # for one request
_NO_BODY = (b"Content-Length", b"0")


class HttpRequests:
    """Asks one node. `name` is for people, `way` leads to the server, `our_uuid` is who we say we are; `bypass` are
    gateways that must not be asked again.

    A server that sends us elsewhere is asked there from then on. An upload begins with a question, and goes to where
    that was answered: content that is on its way could not be sent again."""

    def __init__(
        self,
        uuid: bytes,
        name: str,
        way: HttpWay,
        our_uuid: bytes,
        bypass: list[bytes],
    ) -> None:
        self.uuid = uuid
        self.name = name
        self._way = way
        self._our_uuid = our_uuid
        self._bypass = bypass
        self.version = endpoints.MAX_VERSION  # the newest that the server is not known to lack

    # Requests

    def _target(self, endpoint: str, *arguments: Argument) -> bytes:
        common = [(endpoints.CLIENT, self._our_uuid), *((endpoints.BYPASS, uuid) for uuid in self._bypass)]
        known = [(name.name, value) for name, value in (*arguments, *common) if name.since <= self.version]
        return httpapi.target(self._way.url.prefix, self.uuid, self.version, endpoint, known)

    def ask(self, endpoint: str, *arguments: Argument) -> Answer | None:
        """What the server answers to a request without a body; None if it does not know any version of the request.
        Raises NodeError."""
        newest = self.version
        for version in range(newest, ENDPOINTS[endpoint].since - 1, -1):
            self.version = version
            response = self.respond(b"POST", endpoint, arguments, [_NO_BODY])
            if not self.is_unknown(response):
                return self.answer(response)
        self.version = newest
        return None

    def must_answer(self, endpoint: str, *arguments: Argument) -> Answer:
        """The same for a request that every server knows."""
        answer = self.ask(endpoint, *arguments)
        if answer is None:
            reason = "the server answers 404: it has no such repository, or has it at another url"
            raise NodeError(self.name, reason, cause=Cause.WRONG_URL)
        return answer

    def respond(
        self,
        method: bytes,
        endpoint: str,
        arguments: tuple[Argument, ...],
        fields: list[tuple[bytes, bytes]],
        body: bytes = b"",
    ) -> Response:
        """The answer to a request, made again with credentials if the server wants some. Raises NodeError."""
        work = working(self._way.client.hops) if endpoint.startswith(("remove", "key/")) else 0.0
        followed = 0
        with self.blamed():
            while True:
                target, credentials = self._target(endpoint, *arguments), self._way.credentials
                response = self._way.client.request(method, target, [*fields, *credentials.fields], body, work)
                if response.status in _MOVED and followed < _MOST_MOVES and self._follow(response, target):
                    followed += 1
                elif response.status != 401:
                    break
                else:
                    response.text(_MAX_ERROR)
                    if not credentials.refused(response.head.values(b"www-authenticate")):
                        raise self.failure(response)
        if response.status == 200:
            credentials.accepted()
        return response

    def _follow(self, response: Response, target: bytes) -> bool:
        """Whether the server is elsewhere, where it is asked from now on."""
        way = self._way.moved(response.head.field(b"location"), target)
        if way is None:
            return False
        response.finish(False)
        self._way.close()
        self._way = way
        return True

    def is_unknown(self, response: Response) -> bool:
        """Whether the server may not know the version. It should say 404 then; git-annex's says 400."""
        if response.status == 404:
            self._text(response)
            return True
        return response.status == 400 and self._text(response) == b"bad version"

    def begin_put(self, key: Key, file: bytes, offset: int, length: int) -> ClientConnection:
        """A connection on which `length` bytes of content are expected, those from the offset on. Raises NodeError."""
        target = self._target("put", of_key(key), *display(file), (endpoints.OFFSET, b"%d" % offset))
        size = b"%d" % length
        fields = [(b"Content-Type", endpoints.OCTETS), (b"Content-Length", size), (httpapi.DATA_LENGTH, size)]
        with self.blamed():
            return self._way.client.begin(b"POST", target, [*fields, *self._way.credentials.fields])

    def put_present(self, key: Key, file: bytes) -> Answer:
        """The answer to being told that the content came by another way. Raises NodeError."""
        if self.version < endpoints.DATA_PRESENT.since:
            raise NodeError(self.name, "it can't be told of content that arrived another way")
        fields = [(b"Content-Type", endpoints.OCTETS), _NO_BODY, (httpapi.DATA_LENGTH, b"%d" % (key.size or 0))]
        arguments = (of_key(key), *display(file), (endpoints.DATA_PRESENT, b"true"))
        return self.answer(self.respond(b"POST", "put", arguments, fields))

    def end_lock(self, lock_id: bytes) -> None:
        """Tells that a lock is needed no more. Raises NodeError."""
        body = httpapi.unlock_request()
        fields = [(b"Content-Type", endpoints.JSON), (b"Content-Length", b"%d" % len(body))]
        self._text(self.respond(b"POST", "keeplocked", ((endpoints.LOCK_ID, lock_id),), fields, body))

    def close(self) -> None:
        """Hangs up."""
        self._way.close()

    # Answers

    def stored(self, connection: ClientConnection, length: int) -> Answer:
        """What the server says when an object of some bytes has come to it. Raises NodeError."""
        with self.blamed():
            response = connection.response(storing(self._way.client.hops, length))
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
        cause = Cause.WRONG_URL if response.status == 404 else Cause.UNKNOWN
        return NodeError(self.name, f"the server answers {said}", cause=cause)


def of_key(key: Key) -> Argument:
    return endpoints.KEY, key.serialized


def display(file: bytes) -> list[Argument]:
    return [(endpoints.FILE, file)] if file else []


class _Blamed:
    """See HttpRequests.blamed."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (PeerError, OSError)):
            raise node_error(self._name, error) from None
