"""A Stream without a file descriptor: a fake for tests that can split what is read and cut the connection."""

from __future__ import annotations

from annexshell.errors import PeerGone
from annexshell.stream.port import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.stream.port import Buffer


class MemoryStream(Stream):
    """Delivers `incoming` in pieces of at most `piece` bytes and keeps what is written in `outgoing`.

    With `breaks_after` every write past that many bytes finds the peer gone.
    """

    def __init__(self, incoming: bytes = b"", piece: int = 1 << 30, breaks_after: int | None = None) -> None:
        super().__init__()
        self._incoming = incoming
        self._piece = piece
        self._breaks_after = breaks_after
        self.outgoing = bytearray()

    def _read(self, limit: int) -> bytes:
        size = min(limit, self._piece)
        data, self._incoming = self._incoming[:size], self._incoming[size:]
        return data

    def _read_into(self, buffer: memoryview) -> int:
        data = self._read(len(buffer))
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
