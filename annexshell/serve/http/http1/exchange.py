"""One request and its answer, on a connection that may see many."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from functools import lru_cache

from annexshell.errors import NotEncodable, PeerGone
from annexshell.serve.http.http1.heads import Head, Malformed
from annexshell.serve.http.http1.parsing import END, MORE, RequestParser
from annexshell.stream.port import MAX_LINE, LineBuffer, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from annexshell.green.sockets import SocketStream
    from annexshell.model.key import Key
    from annexshell.serve.http.http1.headroom import Place
    from annexshell.serve.http.http1.parsing import Event

    class Subject(Protocol):
        """The parameters of a request that reports name. Transfers have a `key`."""

        optional_key: Key | None
        client: bytes
        file: bytes
        offset: int

        @property
        def key(self) -> Key: ...

    class Sink(Protocol):
        """Counts the bytes of an object on their way."""

        @property
        def passed(self) -> int: ...


_READ_SIZE = 65536  # bytes
_CHUNKS_SIZE = 1 << 18  # bytes of a body in chunks, which may be tiny, that are looked at without a pause
_MAX_DRAINED = 1 << 20  # bytes of an unwanted body that are worth keeping a connection for
_DRAIN_TIME = 5.0  # seconds for that
_GONE = 499  # as nginx has it

_REASONS = {
    100: "Continue",
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    415: "Unsupported Media Type",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}
_encode = json.JSONEncoder(separators=(",", ":")).encode
_JSON = (("Content-Type", "application/json;charset=utf-8"),)
_TEXT = (("Content-Type", "text/plain;charset=utf-8"),)


class Source:
    """The events of one connection, read from its stream as they are asked for."""

    def __init__(self, stream: SocketStream, place: Place | None = None) -> None:
        self.stream = stream
        self.parser = RequestParser()
        self._place = place

    @property
    def is_empty(self) -> bool:
        """Whether nothing of another request has come."""
        return not (self.parser.has_begun or self.stream.has_more)

    def next(self) -> Event:
        """The next event, waited for. Raises PeerGone when the connection ends first, Malformed."""
        self.stream.take_turn()  # a connection may have much here that is in no event yet
        parser, place = self.parser, self._place
        while (event := parser.next()) is MORE:
            if place is not None:
                place.await_more(parser.pending_head)
            data = self.stream.receive(_READ_SIZE)
            if not data:
                raise PeerGone("the client closed the connection")
            parser.feed(data)
        if place is not None and isinstance(event, Head):
            place.finish(event.size)
        return event

    def next_ready(self) -> Event:
        """The same without waiting: MORE if nothing has come."""
        while (event := self.parser.next()) is MORE:
            data = self.stream.receive_ready(_READ_SIZE)
            if not data:
                break
            self.parser.feed(data)
        return event


class BodyStream(Stream):
    """The body of a request. Reading it sends `100 Continue` first if the client waits for that."""

    shares = True
    in_fd = -1
    out_fd = -1

    def __init__(self, source: Source, is_empty: bool, expects: bool) -> None:
        self._source = source
        self._ahead = LineBuffer()
        self.ended = False
        self.received = 0  # bytes that have come
        self.awaited = expects
        self.unwanted = False  # whether nobody looks at what may still come
        self._waiting_since: float | None = None
        if is_empty:
            self._take(source.next())

    def _take(self, event: Event) -> None:
        if event is END:
            self.ended = True
        elif isinstance(event, bytes):
            self._ahead.add(event)
            self.received += len(event)

    @property
    def silence(self) -> float:
        """Seconds for which we have been waiting for the client."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    def wait_readable(self) -> None:
        """Waits until `read_ready` may have something, or the end."""
        if self._ahead or self.ended:
            return
        source = self._source
        self._call_for_it()
        self._waiting_since = time.monotonic()
        try:
            if source.parser.payload_is_next:
                source.stream.wait_readable()
            else:
                self._take(source.next())
        finally:
            self._waiting_since = None

    def _call_for_it(self) -> None:
        if self.awaited:
            self.awaited = False
            self._source.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def buffered(self, limit: int) -> bytes:
        return self._ahead.take(limit)

    def read_ready(self, buffer: memoryview) -> int | None:
        source = self._source
        while not self._ahead and not self.ended:
            if source.parser.payload_is_next:
                if source.parser.is_in_chunks:
                    buffer = buffer[:_CHUNKS_SIZE]
                count = source.stream.read_ready(buffer)
                if count == 0:
                    raise PeerGone("the client closed the connection")
                if count is not None:
                    count = source.parser.strip(buffer, count)
                    self.received += count
                return count
            event = source.next_ready()
            if event is MORE:
                return None
            self._take(event)
        return self._ahead.fill(buffer)

    def read_into(self, buffer: memoryview) -> int:
        piece = buffer[:_READ_SIZE]  # which may be full of chunks that are tiny, and are looked at without a pause
        self._source.stream.take_turn()
        count = None
        while count is None:
            self.wait_readable()
            count = self.read_ready(piece)
        return count

    def read_line(self) -> bytes | None:
        self._source.stream.take_turn()  # lines may be here already
        line = self._ahead.line(self._more)
        return line if line is not None else self._ahead.take(MAX_LINE) or None

    def _more(self) -> bytes:
        """What comes next, which may be but a byte; empty at the end."""
        self._call_for_it()
        while not self.ended:
            event = self._source.next()
            if isinstance(event, bytes):
                self.received += len(event)
                return event
            self._take(event)
        return b""

    def at_end(self) -> bool:
        """Whether nothing follows what was read; waits to see."""
        if not self._source.parser.payload_is_next:
            self.wait_readable()
        return self.ended and not self._ahead

    def work(self, function: Callable[[], Any]) -> Any:
        return self._source.stream.work(function)

    def skip_ready(self) -> bool:
        """Forgets what has come already; whether that was all."""
        self._ahead.clear()
        if self.ended or self.awaited:
            return self.ended
        left = _MAX_DRAINED
        buffer = memoryview(bytearray(_READ_SIZE))
        try:
            while not self.ended and left > 0 and (count := self.read_ready(buffer)):
                left -= count
                self._source.stream.take_turn()  # what has come may be a byte in each chunk
        except (PeerGone, Malformed):
            return False
        return self.ended

    def dismiss(self) -> bool:
        """Has nobody wait for what has not come yet; whether all has."""
        self.unwanted = not self.skip_ready()
        return self.ended

    def drain(self) -> bool:
        """Reads away what is left; False if that is too much, or comes too slowly."""
        if self.ended or self.awaited or self.unwanted:  # who waits for a 100 may or may not send it now
            return self.ended
        stream = self._source.stream
        left = _MAX_DRAINED
        buffer = memoryview(bytearray(_READ_SIZE))
        stream.deadline = time.monotonic() + _DRAIN_TIME
        try:
            while not self.ended and left > 0:
                left -= self.read_into(buffer)
        except (PeerGone, Malformed):
            return False
        finally:
            stream.deadline = None
        return self.ended

    def close(self) -> None:
        pass


class Exchange:
    """A request to be answered once. `peer` is the client's address, `secure` whether nobody can listen in."""

    def __init__(self, source: Source, head: Head, peer: str, secure: bool) -> None:
        self.stream = source.stream
        self.head = head
        self.peer = peer
        self.secure = secure
        self.is_proxied = False  # whether a proxy that we trust has sent it
        expects = head.header(b"expect").lower() == b"100-continue" and head.version == "1.1"
        self.body = BodyStream(source, not head.has_body, expects)
        self.began = time.monotonic()  # seconds
        self.endpoint = ""  # what is asked for, once that is known,
        self.call: Subject | None = None
        self.repository = b""  # and of whom, if that is a repository that is served
        self.user = b""
        self.headers: tuple[tuple[str, str], ...] = ()  # of the answer, whatever that will be
        self.interruptible = False  # whether nothing is lost when a server that is to stop hangs up
        self.status = 0
        self.sink: Sink | None = None  # by which content is sent
        self._sent = 0
        self.keep_alive = head.keep_alive
        self.broken = False  # whether the answer was cut off: nothing may follow it

    @property
    def outcome(self) -> int:
        """The status, or what stands for none: the client went before it was answered."""
        return self.status or _GONE

    @property
    def answered(self) -> bool:
        return self.status != 0

    @property
    def sent(self) -> int:
        """Bytes of the answer's body so far."""
        return self._sent if self.sink is None else self.sink.passed

    @property
    def is_transfer(self) -> bool:
        """Whether content is being moved that takes a while."""
        return bool(self.repository) and (self.sink is not None or (self.endpoint == "put" and not self.answered))

    def json(self, value: object) -> None:
        self.respond(200, _encode(value).encode("utf-8", "surrogatepass"), _JSON)

    def error(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """An answer whose reason phrase, the only thing that git-annex shows its user, is the text."""
        self.respond(status, text.encode("utf-8", "replace") + b"\n" if text else b"", headers + _TEXT, _phrase(text))

    def respond(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = (), reason: str = "") -> None:
        """Sends an answer in one piece."""
        self._settle_body(status)
        head = self.begin(status, len(body), headers, reason)
        if self.head.method == b"HEAD":
            body = b""
        self._sent = len(body)
        self.stream.write(head + body)

    def _settle_body(self, status: int) -> None:
        """Deals with what is left of the request's body. A refusal does not wait for it: whoever sends much wants to
        know at once, and has to stop."""
        if not (self.body.drain() if status < 300 else self.body.skip_ready()):
            self.keep_alive = False

    def dismiss(self) -> None:
        """Has the answer not wait for the rest of the request, nor anything follow it if there is some."""
        if not self.body.dismiss():
            self.keep_alive = False

    def begin(
        self, status: int, length: int | None, headers: tuple[tuple[str, str], ...] = (), reason: str = ""
    ) -> bytes:
        """The head of an answer with so many bytes of body, which the caller sends; None for chunks, or for all that
        comes up to the end of the connection where the client knows no chunks."""
        lines = [
            f"HTTP/1.1 {status} {reason or _REASONS[status]}",
            f"Date: {_date(int(time.time()))}",
        ]
        if length is None:
            self._begin_unknown(lines)
        elif status != 204:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in headers + self.headers]
        if not self.keep_alive:
            lines.append("Connection: close")
        elif self.head.version == "1.0":
            lines.append("Connection: keep-alive")
        if any("\n" in line or "\r" in line for line in lines):
            raise NotEncodable("a header can't hold a line break")
        self.status = status
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")

    def _begin_unknown(self, lines: list[str]) -> None:
        if self.head.version == "1.0":
            self.keep_alive = False
        else:
            lines.append("Transfer-Encoding: chunked")

    def finish(self) -> bool:
        """Ends the exchange; whether another request may follow on the connection."""
        return not self.broken and self.keep_alive and self.body.drain()


@lru_cache(maxsize=2)
def _date(now: int) -> str:
    return formatdate(now, usegmt=True)


def _phrase(text: str) -> str:
    """A text as a reason phrase: one short line of plain characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:200]
