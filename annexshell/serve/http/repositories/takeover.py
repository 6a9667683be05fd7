"""An upload that stands still makes room for another one of the same content, whichever process receives it.

A client whose connection broke comes again before we can know that the old connection is dead, and the old upload holds
the transfer lock. Whoever waits for that lock leaves a note (repo.wanted), which the process that receives the old
upload finds: it hangs up, and the new one goes on from what has come.
"""

from __future__ import annotations

from annexshell.repo.local.takeover import WantedNotes, Wish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.local.parts import Parts
    from annexshell.serve.http.http1.exchange import Exchange

    Place = tuple[bytes, bytes]

# Seconds of silence after which an upload has to make room: for its own client, who must have lost the connection, and
# for others, to whom it may just be slow.
_OWN_SILENCE, _SILENCE = 1.0, 5.0


class Takeovers:
    """The uploads that this process receives for one repository, by uuid and key."""

    def __init__(self, parts: Parts) -> None:
        self._notes = WantedNotes(parts)
        self._received: dict[Place, tuple[Exchange, bytes]] = {}

    def begin(self, place: Place, exchange: Exchange, client: bytes) -> None:
        """An upload is being received from a client, of whatever name."""
        self._received[place] = (exchange, client)

    def end(self, place: Place, exchange: Exchange) -> None:
        """It isn't any more."""
        if self._received.get(place, (None,))[0] is exchange:
            del self._received[place]

    def wish(self, place: Place, client: bytes) -> Wish:
        """For a client who may have to wait for another upload."""
        return Wish(self._notes, place, client)

    def tend(self) -> None:
        """To be called twice a second or so: ends what stands still and is wanted by others."""
        for place, (exchange, client) in list(self._received.items()):
            silence = exchange.body.silence
            if silence < _OWN_SILENCE:
                continue
            waiting = self._notes.find(place)
            if waiting is not None and silence > (_OWN_SILENCE if waiting == client else _SILENCE):
                exchange.stream.interrupt()
