"""Room for uploads. Each that is under way, also one of which nothing comes, has a repository opened for it and a file
open; so one client may have only a part of what all may have."""

from __future__ import annotations

from annexshell.errors import TooBusy
from annexshell.model.address import network_of

_MOST = 1000  # uploads
_SHARE = 4  # which part of them one client may have


class UploadRoom:
    """The room in one process."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._taken = 0
        self._clients: dict[str, int] = {}  # by network

    def place(self, address: str) -> UploadPlace:
        """Room for one upload from an address, in this context; an empty address is that of many."""
        return UploadPlace(self, network_of(address) if address else "")

    def enter(self, client: str) -> None:
        """Raises TooBusy."""
        own = self._clients.get(client, 0)
        if self._taken >= self._most or (client and own >= max(1, self._most // _SHARE)):
            raise TooBusy("too many uploads at the moment; try again later")
        self._taken += 1
        self._clients[client] = own + 1

    def leave(self, client: str) -> None:
        self._taken -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]


class UploadPlace:
    """See UploadRoom."""

    __slots__ = ("_client", "_room")

    def __init__(self, room: UploadRoom, client: str) -> None:
        self._room = room
        self._client = client

    def __enter__(self) -> None:
        self._room.enter(self._client)

    def __exit__(self, *_: object) -> None:
        self._room.leave(self._client)
