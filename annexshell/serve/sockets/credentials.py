"""The files in AD/creds, which nobody but their owner may read, and git-annex reads too (upstream: Creds.hs)."""

from __future__ import annotations

import os

from annexshell.disk.filelock import FileLocks
from annexshell.disk.files import read_file, replace_secrets
from annexshell.disk.perms import make_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.filelock import Lock
    from annexshell.disk.perms import Perms

_PATIENCE = 30.0  # seconds for a lock that is held only for a moment


class Credentials:
    """Those of one repository. All calls raise OSError, those that write DiskError, too."""

    def __init__(self, annex_dir: bytes, perms: Perms) -> None:
        self._annex_dir = annex_dir
        self._directory = annex_dir + b"/creds"
        self._perms = perms

    def path(self, name: bytes) -> bytes:
        return b"%b/%b" % (self._directory, name)

    def read(self, name: bytes) -> bytes:
        """Empty if there is no such file."""
        return read_file(self.path(name)) or b""

    def lock(self) -> Lock:
        """To be held from the reading of a file to its writing. Raises LockTimeout."""
        self._make_directory()
        return FileLocks().exclusive(self.path(b"p2pauth.lck"), _PATIENCE)

    def write(self, name: bytes, data: bytes) -> None:
        """Puts a file in place, as a whole and on disk."""
        self._make_directory()
        replace_secrets(self.path(name), data)

    def _make_directory(self) -> None:
        make_directories(self._directory, os.path.dirname(self._annex_dir), self._perms)
