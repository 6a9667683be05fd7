"""Answers of a length that nobody knows beforehand, passed on from a pipe as they come (RFC 9112, 7.1)."""

from __future__ import annotations

import sys
import time
from fcntl import ioctl
from termios import FIONREAD

from annexshell.relay.copy import pump
from annexshell.stream.port import CHUNK, SinkFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.git.turns import Turn
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.stream.port import Source

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
        source.wait_readable()
        count = min(_waiting(source.in_fd), CHUNK)
        if count == 0:
            return False
        self._turn.waits_since = time.monotonic()
        try:
            self._stream.write(self._head(count))
            moved = pump(source, self._stream, count)
        except SinkFailed as failure:
            raise failure.cause from None
        finally:
            self._turn.waits_since = None
        self.passed += moved
        return moved == count

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


def _waiting(fd: int) -> int:
    """Bytes that a pipe holds."""
    return int.from_bytes(ioctl(fd, FIONREAD, bytes(4)), sys.byteorder)
