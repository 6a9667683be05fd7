"""Answers of a length that nobody knows beforehand, passed on from a pipe as they come (RFC 9112, 7.1)."""

from __future__ import annotations

import sys
import time
from fcntl import ioctl
from termios import FIONREAD

from annexshell.relay.copy import pump
from annexshell.stream.port import CHUNK, SinkFailed, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.serve.http.git.turns import Turn
    from annexshell.serve.http.http1.exchange import Exchange

_MUCH = 1 << 20  # bytes
_WORTH_IT = 1 << 18  # bytes of a chunk
_MOMENT, _MOMENTS = 0.001, 4  # seconds, and how many of them
_LAST = b"0\r\n\r\n"


class Chunks:
    """The body of an answer that has been begun without a length. Whoever leaves it before `end` has to close the
    connection, which tells the client that something is missing."""

    def __init__(self, exchange: Exchange, turn: Turn) -> None:
        self._turn = turn
        self._stream = exchange.stream
        self._framed = exchange.head.version != "1.0"
        self._between = b""  # what stands between two chunks
        self.passed = 0  # bytes

    def write(self, data: bytes) -> None:
        """Sends something as a chunk."""
        if data:
            self._send(self._head(len(data)) + data)
            self.passed += len(data)

    def _send(self, data: bytes) -> None:
        self._turn.waits_since = time.monotonic()
        try:
            self._stream.write(data)
        finally:
            self._turn.waits_since = None

    def pass_on(self, source: Source) -> bool:
        """Sends what has come from a pipe, or comes next; False at its end. Raises PeerGone when the client is gone,
        Stalled when nothing comes."""
        count = self._gather(source)
        if count == 0:
            return False
        self._turn.waits_since = time.monotonic()
        try:
            self._stream.write(self._head(count))
            pump(_Held(source), self._stream, count)
        except SinkFailed as failure:
            raise failure.cause from None
        finally:
            self._turn.waits_since = None
        self.passed += count
        return True

    def _gather(self, source: Source) -> int:
        """How many bytes the pipe holds when it holds some; 0 at its end. In the middle of much it is given a moment to
        fill: each chunk costs the same, however small it is."""
        count = _waiting(source.in_fd)
        if count == 0:
            source.wait_readable()
            count = _waiting(source.in_fd)
        if self.passed >= _MUCH:
            for _ in range(_MOMENTS):
                before = count
                if before >= _WORTH_IT:
                    break
                self._stream.pause(_MOMENT)
                count = _waiting(source.in_fd)
                if count == before:
                    break
        return min(count, CHUNK)

    def _head(self, count: int) -> bytes:
        if not self._framed:
            return b""
        head = b"%b%x\r\n" % (self._between, count)
        self._between = b"\r\n"
        return head

    def end(self) -> None:
        """Says that this was all."""
        if self._framed:
            self._stream.write(self._between + _LAST)


class _Held(Source):
    """What a pipe holds already: nobody need wait for it."""

    def __init__(self, source: Source) -> None:
        self.in_fd = source.in_fd
        self._source = source

    def is_pipe(self) -> bool:
        return True

    def buffered(self, limit: int) -> bytes:  # noqa: ARG002
        return b""

    def splice_out(self, splice: Callable[[int], int]) -> int:
        return splice(self.in_fd)

    def read_into(self, buffer: memoryview) -> int:
        return self._source.read_into(buffer)


def _waiting(fd: int) -> int:
    """Bytes that a pipe holds."""
    return int.from_bytes(ioctl(fd, FIONREAD, bytes(4)), sys.byteorder)
