"""What a session can do that no Repository can: only connections in P2P networks can."""

from __future__ import annotations


class Beyond:
    """Git, and news of it, for one client. All calls raise PeerGone."""

    def connect(self, service: bytes) -> None:
        """Leads the client to a service of git, such as git-upload-pack, until that has ended; or tells its git why
        not."""
        raise NotImplementedError

    def changed(self) -> list[bytes]:
        """Waits until refs change, and returns their values, as many as a message holds."""
        raise NotImplementedError
