"""The last byte is held back: over HTTP, content that is not valid is sent without it."""

from __future__ import annotations

import os

from annexshell.errors import PeerGone
from annexshell.stream.port import Sink, SinkFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.stream.port import Buffer, Source


class Enough(PeerGone):
    """Ends a transfer of more than was wanted."""


class HoldBack(Sink):
    """Passes `length` bytes on, except for the last one, which stays in `held` for the caller to send. Raises Enough
    when it is given more."""

    def __init__(self, sink: Sink, length: int) -> None:
        self._sink = sink
        self._left = max(0, length - 1)  # bytes to pass on
        self._passed_on = 0  # bytes
        self.held = b""

    @property
    def passed(self) -> int:
        """How many bytes have come."""
        return self._passed_on + len(self.held)

    def _count(self, passed: int) -> int:
        self._left -= passed
        self._passed_on += passed
        return passed

    def write(self, data: Buffer) -> None:
        passed = min(self._left, len(data))
        if passed:
            self._sink.write(memoryview(data)[:passed])
        self._count(passed)
        if passed < len(data):
            self._hold(bytes(data[passed : passed + 1]))

    def _hold(self, last: bytes) -> int:
        if self.held:
            raise Enough("no more is wanted")
        self.held = last
        return len(last)

    def send_file(self, fd: int, offset: int, count: int) -> int:
        if self._left == 0:
            return self._hold(os.pread(fd, 1, offset))
        return self._count(self._sink.send_file(fd, offset, min(count, self._left)))

    def splice_from(self, source: Source, count: int) -> int:
        if self.held:
            raise SinkFailed(Enough("no more is wanted"), 0)
        if self._left == 0:
            last = bytearray(1)
            return self._hold(bytes(last[: source.read_into(memoryview(last))]))
        return self._count(self._sink.splice_from(source, min(count, self._left)))
