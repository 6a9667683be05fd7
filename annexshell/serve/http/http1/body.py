"""What comes on a connection of HTTP: the events of its requests, and the body of one as a Source."""

from __future__ import annotations

import time

from annexshell.errors import PeerGone
from annexshell.serve.http.http1.heads import Head, Malformed
from annexshell.serve.http.http1.parsing import END, MORE, RequestParser
from annexshell.stream.port import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.green.sockets import SocketStream
    from annexshell.serve.http.http1.headroom import Share
    from annexshell.serve.http.http1.parsing import Event

    Result = TypeVar("Result")

_READ_SIZE = 65536  # bytes
_CHUNKS_SIZE = 1 << 18  # bytes of a body in chunks, which may be tiny, that are looked at without a pause
_MAX_DRAINED = 1 << 20  # bytes of an unwanted body that are worth keeping a connection for
_DRAIN_TIME = 5.0  # seconds for that


class EventReader:
    """The events of one connection, read from its stream as they are asked for."""

    def __init__(self, stream: SocketStream, share: Share | None = None) -> None:
        self.stream = stream
        self.parser = RequestParser()
        self._share = share

    @property
    def is_empty(self) -> bool:
        """Whether nothing of another request has come."""
        return not (self.parser.has_begun or self.stream.has_more)

    def next(self) -> Event:
        """The next event, waited for. Raises PeerGone when the connection ends first, Malformed."""
        self.stream.patience.take_turn()  # a connection may have much here that is in no event yet
        parser, share = self.parser, self._share
        while (event := parser.next()) is MORE:
            if share is not None:
                share.await_more(parser.pending_head)
            data = self.stream.read(_READ_SIZE)
            if not data:
                raise PeerGone("the client closed the connection")
            parser.feed(data)
        if share is not None and isinstance(event, Head):
            share.finish(event.size)
        return event

    def next_ready(self) -> Event:
        """The same without waiting: MORE if nothing has come."""
        while (event := self.parser.next()) is MORE:
            buffer = bytearray(_READ_SIZE)
            count = self.stream.read_ready(memoryview(buffer))
            if not count:
                break
            self.parser.feed(bytes(memoryview(buffer)[:count]))
        return event


class BodySource(Source):
    """The body of a request. Reading it sends `100 Continue` first if the client waits for that."""

    shares = True

    def __init__(self, source: EventReader, is_empty: bool, expects: bool) -> None:
        super().__init__()
        self._source = source
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
            self._lines.add(event)
            self.received += len(event)

    @property
    def silence(self) -> float:
        """Seconds for which we have been waiting for the client."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    def _wait_readable(self) -> None:
        if self._lines or self.ended:
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

    def read_ready(self, buffer: memoryview) -> int | None:
        source = self._source
        while not self._lines and not self.ended:
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
        return self._lines.fill(buffer)

    def _read_into(self, buffer: memoryview) -> int:
        piece = buffer[:_READ_SIZE]  # which may be full of chunks that are tiny, and are looked at without a pause
        self._source.stream.patience.take_turn()
        count = None
        while count is None:
            self._wait_readable()
            count = self.read_ready(piece)
        return count

    def read_line(self) -> bytes | None:
        self._source.stream.patience.take_turn()  # lines may be here already
        return super().read_line()

    def _read(self, limit: int) -> bytes:
        self._call_for_it()
        while not self.ended:
            event = self._source.next()
            if isinstance(event, bytes):
                self.received += len(event)
                if len(event) > limit:
                    self._lines.add(event[limit:])
                return event[:limit]
            self._take(event)
        return b""

    def at_end(self) -> bool:
        """Whether nothing follows what was read; waits to see."""
        if not self._source.parser.payload_is_next:
            self.wait_readable()
        return self.ended and not self._lines

    def work(self, function: Callable[[], Result]) -> Result:
        return self._source.stream.work(function)

    def skip_ready(self) -> bool:
        """Forgets what has come already; whether that was all."""
        self._lines.clear()
        if self.ended or self.awaited:
            return self.ended
        left = _MAX_DRAINED
        buffer = memoryview(bytearray(_READ_SIZE))
        try:
            while not self.ended and left > 0 and (count := self.read_ready(buffer)):
                left -= count
                self._source.stream.patience.take_turn()  # what has come may be a byte in each chunk
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
        stream.patience.deadline = time.monotonic() + _DRAIN_TIME
        try:
            while not self.ended and left > 0:
                left -= self.read_into(buffer)
        except (PeerGone, Malformed):
            return False
        finally:
            stream.patience.deadline = None
        return self.ended
