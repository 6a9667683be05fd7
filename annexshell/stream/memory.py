"""A Stream without a file descriptor: a fake for tests that can split what is read and cut the connection."""

from __future__ import annotations

from annexshell.errors import PeerGone
from annexshell.stream.port import LineBuffer, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.stream.port import Buffer


class MemoryStream(Stream):
    """Delivers `incoming` in pieces of at most `piece` bytes and keeps what is written in `outgoing`.

    With `breaks_after` every write past that many bytes finds the peer gone.
    """

    in_fd = -1
    out_fd = -1

    def __init__(self, incoming: bytes = b"", piece: int = 1 << 30, breaks_after: int | None = None) -> None:
        self._incoming = incoming
        self._piece = piece
        self._breaks_after = breaks_after
        self._lines = LineBuffer()
        self.outgoing = bytearray()

    def _next_piece(self, limit: int | None = None) -> bytes:
        size = self._piece if limit is None else min(limit, self._piece)
        data, self._incoming = self._incoming[:size], self._incoming[size:]
        return data

    def read_line(self) -> bytes | None:
        return self._lines.line(self._next_piece)

    def buffered(self, limit: int) -> bytes:
        return self._lines.take(limit)

    def read_into(self, buffer: memoryview) -> int:
        data = self.buffered(len(buffer)) or self._next_piece(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Buffer) -> None:
        self.outgoing += data
        if self._breaks_after is not None and len(self.outgoing) > self._breaks_after:
            raise PeerGone("the peer closed the connection")

    def pause(self, seconds: float) -> None:  # noqa: ARG002  # nobody is there to be waited for
        if self._breaks_after is not None and len(self.outgoing) >= self._breaks_after:
            raise PeerGone("the peer closed the connection")

    def close(self) -> None:
        pass
