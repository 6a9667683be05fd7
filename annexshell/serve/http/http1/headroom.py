"""Room for the heads of requests, of which nobody knows yet what they ask for and who may ask it.

In most cases a head comes at once and is small, and takes no room that counts. What has come of one that is unfinished,
and a large one for as long as its request lasts, is within limits: of all clients, and of each of them.
"""

from __future__ import annotations

from annexshell.model.address import network_of
from annexshell.serve.http.http1.heads import Malformed

_FREE = 4096  # bytes of each head that do not count
_UNFINISHED = 1024  # heads
_BYTES = 16 << 20
_SHARE = 4  # which part of that one client may have


class HeadRoom:
    """The room in one process."""

    def __init__(self, unfinished: int = _UNFINISHED, size: int = _BYTES) -> None:
        self._limits = unfinished, size
        self._taken = [0, 0]  # heads, and bytes
        self._clients: dict[str, list[int]] = {}  # the same of each network of those who have some

    def share(self, address: str) -> Share:
        """For one head after the other of a client; an empty address is that of many."""
        return Share(self, network_of(address) if address else "")

    def take(self, client: str, heads: int, size: int) -> bool:
        """Whether there is so much more room; gives back what is negative."""
        own = self._clients.get(client) or [0, 0]
        for more, taken, of_client, limit in zip((heads, size), self._taken, own, self._limits, strict=True):
            share = limit // _SHARE if client else limit
            if more > 0 and (taken + more > limit or of_client + more > share):
                return False
        self._taken = [self._taken[0] + heads, self._taken[1] + size]
        own = [own[0] + heads, own[1] + size]
        if any(own):
            self._clients[client] = own
        else:
            self._clients.pop(client, None)
        return True


class Share:
    """The room that one connection takes."""

    __slots__ = ("_client", "_heads", "_room", "_size")

    def __init__(self, room: HeadRoom, client: str) -> None:
        self._room = room
        self._client = client
        self._heads = self._size = 0

    def await_more(self, size: int) -> None:
        """Of a head that is unfinished so many bytes have come. Raises Malformed if there is no room for them."""
        self._become(1 if size else 0, size)

    def finish(self, size: int) -> None:
        """A head of so many bytes is complete, and its request lasts. Raises Malformed."""
        self._become(0, size)

    def leave(self) -> None:
        """Nothing is here any more."""
        self._become(0, 0)

    def _become(self, heads: int, size: int) -> None:
        size = max(0, size - _FREE)
        if (heads, size) == (self._heads, self._size):
            return
        if not self._room.take(self._client, heads - self._heads, size - self._size):
            raise Malformed(503, "too many requests are being read at the moment; try again later")
        self._heads, self._size = heads, size
