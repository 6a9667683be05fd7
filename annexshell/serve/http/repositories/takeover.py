"""An upload that stands still makes room for another one of the same key, whichever process receives it.

A client whose connection broke comes again before we can know that the old connection is dead, while the old upload
holds the transfer lock. The new upload leaves a note (repo.local.takeover), which the process with the old upload
finds: it hangs up, and the new upload continues from what has arrived.
"""

from __future__ import annotations

from annexshell.repo.local.takeover import TakeoverNotes, TakeoverRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.local.parts import Parts
    from annexshell.serve.http.http1.exchange import Exchange

    Upload = tuple[bytes, bytes]


class Takeovers:
    """The uploads that this process receives for one repository, by uuid and key."""

    def __init__(self, parts: Parts) -> None:
        self._notes = TakeoverNotes(parts)
        self._received: dict[Upload, tuple[Exchange, bytes]] = {}

    def begin(self, upload: Upload, exchange: Exchange, client: bytes) -> None:
        """Notes that an upload is being received from a client."""
        self._received[upload] = (exchange, client)

    def end(self, upload: Upload, exchange: Exchange) -> None:
        """Notes that the upload has ended."""
        if self._received.get(upload, (None,))[0] is exchange:
            del self._received[upload]

    def request(self, upload: Upload, client: bytes) -> TakeoverRequest:
        """For a client who may have to wait for another upload."""
        return TakeoverRequest(self._notes, upload, client)

    def tend(self) -> None:
        """Call this twice a second or so: it ends uploads that stand still while others wait."""
        for upload, (exchange, client) in list(self._received.items()):
            if self._notes.is_urgent(upload, client, exchange.body.silence):
                exchange.stream.interrupt()
