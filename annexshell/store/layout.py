"""Where things lie below AD, the annex directory. Pure: paths are computed, never looked at.

Upstream: Annex/Locations.hs, Logs/Transfer.hs. Every path is made from a parsed key, never from
text that a client sent.
"""

from __future__ import annotations

from annexshell.model.hashdirs import hash_lower, hash_mixed
from annexshell.model.ids import uuid_directory
from annexshell.model.ownfiles import OwnFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.durable import Durability
    from annexshell.disk.filelock import FileLocks
    from annexshell.disk.perms import Perms
    from annexshell.disk.scratch import Scratch
    from annexshell.model.key import Key

DOWNLOAD, UPLOAD = b"download", b"upload"


class Layout:
    """The paths of one repository. `annex_dir` is AD: `<git common dir>/annex`."""

    def __init__(
        self,
        annex_dir: bytes,
        bare: bool,
        crippled: bool = False,
        symlinks: bool = True,
        object_levels: int = 2,
        lower_only: bool = False,
        branch_levels: int = 2,
    ) -> None:
        self.annex_dir = annex_dir
        self.objects = annex_dir + b"/objects"
        self.tmp = annex_dir + b"/tmp"
        self.bad = annex_dir + b"/bad"
        self.sentinal = annex_dir + b"/sentinal"
        own = OwnFiles(annex_dir)
        self.unrecorded = own.unrecorded
        self.claims = own.claims
        self._object_levels = object_levels
        self._branch_levels = branch_levels
        self._hashes: tuple[Callable[[Key, int], bytes], ...]
        if bare or (crippled and not symlinks):
            self._hashes = (hash_lower, hash_mixed)
        elif lower_only and not crippled:
            self._hashes = (hash_lower,)
        else:
            self._hashes = (hash_mixed, hash_lower)

    def object_candidates(self, key: Key) -> list[bytes]:
        """Where the object may lie: the first that exists counts, and the first of all is where to store it."""
        name = key.file_name
        return [
            b"%b/%b/%b/%b" % (self.objects, hashing(key, self._object_levels), name, name) for hashing in self._hashes
        ]

    def location_log(self, key: Key) -> bytes:
        """The key's location log, as a path inside the git-annex branch."""
        return b"%b/%b.log" % (hash_lower(key, self._branch_levels), key.file_name)

    def note(self, key: Key) -> bytes:
        """The file that is there while the location log may not say the truth about the key."""
        return b"%b/%b" % (self.unrecorded, key.file_name)

    def equivalents_log(self, key: Key) -> bytes:
        """The log of the keys whose content a VURL key may have."""
        return self.location_log(key) + b".ek"

    def partial(self, key: Key) -> bytes:
        """The file in which the content of a key is received."""
        return b"%b/%b" % (self.tmp, key.file_name)

    def work_directory(self, key: Key) -> bytes:
        """Where git-annex may have unpacked something while it received the key; goes away with the partial file."""
        return b"%b/work.%b" % (self.tmp, key.file_name)

    def transfer_locks(self, direction: bytes, key: Key, peer: bytes) -> list[bytes]:
        """The locks to hold while transferring, in order. Of a download the first is the common one, and the second
        that of versions up to 10.20240227."""
        own = b"%b/transfer/%b/%b/lck.%b" % (self.annex_dir, direction, uuid_directory(peer), key.file_name)
        if direction == UPLOAD:
            return [own]
        return [b"%b/transfer/download/lck/lck.%b" % (self.annex_dir, key.file_name), own]

    def transfer_info(self, direction: bytes, key: Key, peer: bytes) -> bytes:
        """The file that tells other processes of a running transfer."""
        return b"%b/transfer/%b/%b/%b" % (self.annex_dir, direction, uuid_directory(peer), key.file_name)

    def failed_transfer(self, direction: bytes, key: Key, peer: bytes) -> bytes:
        """The file that remembers a failed transfer."""
        return b"%b/transfer/failed/%b/%b/%b" % (self.annex_dir, direction, uuid_directory(peer), key.file_name)


class AnnexDir:
    """The annex directory of a repository: where things lie in it, and how its files are locked, written and flushed.
    `path` is AD."""

    __slots__ = ("durability", "layout", "locks", "path", "perms", "scratch")

    def __init__(
        self, layout: Layout, perms: Perms, locks: FileLocks, durability: Durability, scratch: Scratch
    ) -> None:
        self.path = layout.annex_dir
        self.layout = layout
        self.perms = perms
        self.locks = locks
        self.durability = durability
        self.scratch = scratch
