"""A small HTTP/1.1 client: connections that are kept and checked before use, and answers whose payload the relay moves.

The standard library's client has no place for our Waiter, and lets no payload be moved by the kernel. Everything here
raises PeerGone or BadResponse, whose sentences say what the server did.
"""

from __future__ import annotations

import select

from annexshell.errors import AnnexshellError, BadResponse, LineTooLong, PeerGone, Stalled
from annexshell.net.backoff import Backoff
from annexshell.net.connect import TlsStream, open_tcp, plain_stream
from annexshell.net.patience import SLOWEST, asking
from annexshell.stream.pace import PacedWaiter
from annexshell.stream.port import Source
from annexshell.wire.http1 import (
    CHUNKED,
    MAX_HEAD,
    UNTIL_CLOSE,
    ResponseHead,
    parse_chunk_size,
    parse_head,
    request_head,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from annexshell.stream.blocking import FdStream
    from annexshell.stream.port import Waiting
    from annexshell.wire.http1 import Fields
    from annexshell.wire.httpapi import BaseUrl


class HttpClient:
    """Talks to one server; `hops` is the number of gateways behind it on the way."""

    def __init__(self, url: BaseUrl, waiting: Waiting, hops: int = 0) -> None:
        self.hops = hops
        self._url = url
        self._waiting = waiting
        self._backoff = Backoff()
        self._idle: list[ClientConnection] = []
        self._is_closed = False
        self._context: ssl.SSLContext | None = None

    def request(self, method: bytes, target: bytes, fields: Fields, body: bytes = b"", work: float = 0.0) -> Response:
        """The answer to a request that may safely be sent twice, which happens if a kept connection turns out to be
        dead. The server may need `work` seconds longer than for a simple question."""
        connection = self.begin(method, target, fields, body)
        try:
            return connection.response(work)
        except PeerGone as error:
            if not connection.is_used or connection.has_answered or isinstance(error, Stalled):
                raise
        self._hang_up()
        return self.begin(method, target, fields, body).response(work)

    def begin(self, method: bytes, target: bytes, fields: Fields, body: bytes = b"") -> ClientConnection:
        """A connection on which a request was sent up to some part of its body; the rest, and what becomes of the
        connection, is the caller's business."""
        head = self._head(method, target, fields) + body
        connection = self._take()
        try:
            connection.start(head)
        except PeerGone as error:
            if not connection.is_used or isinstance(error, Stalled):
                raise
            self._hang_up()
            connection = self._take()
            connection.start(head)
        return connection

    def _head(self, method: bytes, target: bytes, fields: Fields) -> bytes:
        common = [(b"Host", self._url.authority), (b"User-Agent", b"annexshell"), (b"Accept-Encoding", b"identity")]
        return request_head(method, target, [*common, *fields])

    def _take(self) -> ClientConnection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_dead():
                return connection
            connection.close()
        with self._backoff:
            return ClientConnection(self._connect(), self._keep, self._waiting, self.hops)

    def _connect(self) -> FdStream | TlsStream:
        connected = open_tcp(self._url.host, self._url.port, self._waiting)
        if self._url.secure:
            return TlsStream(connected, self._url.host, self._tls(), self._waiting)
        return plain_stream(connected, self._waiting.answer)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            import ssl

            self._context = ssl.create_default_context()
        return self._context

    def _keep(self, connection: ClientConnection) -> None:
        if self._is_closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _hang_up(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Closes the connections, those that are in use as soon as they are free."""
        self._is_closed = True
        self._hang_up()


class ClientConnection:
    """One connection, used for one request after the other. `keep` is where it goes when it is free."""

    def __init__(
        self, stream: FdStream | TlsStream, keep: Callable[[ClientConnection], None], waiting: Waiting, hops: int
    ) -> None:
        self.stream = stream
        self._waiting = waiting
        self._more = asking(hops, waiting.connect.limit)
        self.is_used = False  # before the present request
        self.has_answered = False  # the present request
        self._keep = keep
        self._fd = stream.fd if isinstance(stream, TlsStream) else stream.in_fd

    def is_dead(self) -> bool:
        """Whether it was closed while it was idle, or has sent something out of turn."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    def hurry(self, work: float = 0.0) -> None:
        """The next answer has to come within the limit for connections, plus `work` seconds."""
        self.stream.use(self._waiting.answer.within(self._waiting.connect.limit + self._more + work))

    def relax(self) -> None:
        """From now on, only a connection that stands still is too slow."""
        self.stream.use(self._waiting.answer)

    def receives(self) -> Callable[[int], None]:
        """The same for a long body, which may not come too slowly either: returns what is to be told how many bytes
        have come of it."""
        paced = PacedWaiter(self._waiting.answer, SLOWEST)
        self.stream.use(paced)
        return paced.reached

    def start(self, head: bytes) -> None:
        """Sends the beginning of a request. Closes the connection when it can't."""
        self.hurry()
        try:
            self.stream.write(head)
        except AnnexshellError:
            self.close()
            raise
        self.relax()

    def response(self, work: float = 0.0) -> Response:
        """What the server answers, up to the body, for which it may need so many seconds more than for a simple
        question. Closes the connection when it can't be had."""
        self.hurry(work)
        try:
            head = self._read_head()
            self.relax()
            return Response(head, self)
        except AnnexshellError:
            self.close()
            raise

    def _read_head(self) -> ResponseHead:
        left = MAX_HEAD
        while True:
            lines: list[bytes] = []
            while line := _read_line(self.stream):
                self.has_answered = True
                lines.append(line)
                left -= len(line) + 2
                if left < 0:
                    raise BadResponse(f"it sent over {MAX_HEAD} bytes of headers")
            if line is None:
                raise PeerGone("it closed the connection without an answer")
            if not lines:
                raise BadResponse("it sent an empty line in place of an answer")
            head = parse_head(lines)
            if head.status == 101:
                raise BadResponse("it changed to another protocol, which nobody asked for")
            if head.status >= 200:
                return head

    def refusal(self) -> Response | None:
        """After a part of a request could not be sent: what the server answered before it hung up, if it did."""
        try:
            return self.response()
        except AnnexshellError:
            return None

    def free(self) -> None:
        """The present request is over, and another may follow."""
        self.is_used, self.has_answered = True, False
        self._keep(self)

    def close(self) -> None:
        """May be called twice."""
        self.stream.close()


def _read_line(stream: Source) -> bytes | None:
    """A line of a head or between chunks, None at the end of the stream."""
    try:
        return stream.read_line()
    except LineTooLong:
        raise BadResponse("it sent a line without an end") from None


class Response:
    """An answer. `content` is the body as a stream, without a hint where it ends: read `length` bytes, if that is no
    negative number, then ask `is_at_end`. `finish` it whatever happens."""

    def __init__(self, head: ResponseHead, connection: ClientConnection) -> None:
        self.status = head.status
        self.head = head
        self.length = head.body_length
        self.content: Source = ChunkedContent(connection.stream) if self.length == CHUNKED else connection.stream
        self.receives = connection.receives
        self._connection = connection
        self._is_finished = False

    def text(self, limit: int) -> bytes:
        """All of the body, and finishes. Raises BadResponse for one over the limit in bytes."""
        self._connection.hurry()
        try:
            body = self._read(limit)
        except AnnexshellError:
            self.finish(False)
            raise
        self.finish(True)
        return body

    def _read(self, limit: int) -> bytes:
        expected = limit + 1 if self.length < 0 else self.length
        if self.length > limit:
            raise BadResponse(f"its answer has over {limit} bytes")
        buffer = memoryview(bytearray(min(expected, 4096)))
        body = bytearray()
        while len(body) < expected:
            count = self.content.read_into(buffer[: expected - len(body)])
            if count == 0:
                break
            body += buffer[:count]
        if len(body) > limit:
            raise BadResponse(f"its answer has over {limit} bytes")
        if len(body) < self.length:
            raise PeerGone("it closed the connection in the middle of its answer")
        return bytes(body)

    def is_at_end(self) -> bool:
        """Whether the body ends here, after all of `length`. Raises PeerGone when it broke off instead."""
        if self.length >= 0:
            return True
        return self.content.read_into(memoryview(bytearray(1))) == 0

    def finish(self, complete: bool) -> None:
        """Gives the connection back if the body was read to its end, or else closes it. May be called twice."""
        if self._is_finished:
            return
        self._is_finished = True
        if complete and self.length != UNTIL_CLOSE and self.head.keeps_connection:
            self._connection.free()
        else:
            self._connection.close()


class ChunkedContent(Source):
    """The content of a chunked body, read from the stream that the body comes on."""

    def __init__(self, stream: Source) -> None:
        super().__init__()
        self._stream = stream
        self._left = 0  # bytes of the present chunk
        self._is_first = True
        self._has_ended = False

    def _read_into(self, buffer: memoryview) -> int:
        if self._left == 0 and not self._has_ended:
            self._next_chunk()
        if self._has_ended:
            return 0
        count = self._stream.read_into(buffer[: self._left])
        if count == 0:
            raise PeerGone("it closed the connection in the middle of its answer")
        self._left -= count
        return count

    def _next_chunk(self) -> None:
        if not self._is_first and self._line():
            raise BadResponse("it sent a chunk that is longer than it said")
        self._is_first = False
        self._left = parse_chunk_size(self._line())
        if self._left == 0:
            self._skip_trailer()
            self._has_ended = True

    def _skip_trailer(self) -> None:
        left = MAX_HEAD
        while line := self._line():
            left -= len(line) + 2
            if left < 0:
                raise BadResponse(f"it sent over {MAX_HEAD} bytes after its answer")

    def _line(self) -> bytes:
        line = _read_line(self._stream)
        if line is None:
            raise PeerGone("it closed the connection in the middle of its answer")
        return line
