"""The files of our own in a repository: all lie in AD/annexshell, which git-annex leaves alone. Pure."""

from __future__ import annotations

from annexshell.model.ids import uuid_directory


class OwnFiles:
    """Their paths; `annex_dir` is AD."""

    __slots__ = (
        "claims",
        "directory",
        "expiry",
        "filling",
        "leases",
        "reservations",
        "sizes",
        "unrecorded",
        "uploaders",
        "wanted",
    )

    def __init__(self, annex_dir: bytes) -> None:
        self.directory = directory = annex_dir + b"/annexshell"
        self.claims = directory + b"/claims"  # by key: who has its content locked (store.claims)
        self.unrecorded = directory + b"/unrecorded"  # by key: what the location log does not say yet
        self.leases = directory + b"/locks"  # locks of HTTP clients, for the next server
        self.wanted = directory + b"/wanted"  # who waits for what another one is sending
        self.reservations = directory + b"/uploads"  # space that uploads under way will take
        self.uploaders = directory + b"/uploaders"  # who has stored what
        self.sizes = directory + b"/sizes"  # how much each repository holds, as of a commit
        self.filling = directory + b"/filling"  # which node of each group was filled last
        self.expiry = directory + b"/expiry"  # when old partial files were looked for last

    def busy(self, uuid: bytes) -> bytes:
        """In which transfers to and from a node lock a byte each."""
        return b"%b/busy.%b" % (self.directory, uuid_directory(uuid))

    def silent(self, uuid: bytes) -> bytes:
        """How long a node that kept us waiting is left alone."""
        return b"%b/silent.%b" % (self.directory, uuid_directory(uuid))
