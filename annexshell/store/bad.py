"""Files that lie in the place of an object and are not its content: cut short by a crash, or damaged by a disk.

They go to AD/bad, as `git annex fsck` has them go, under the name of the key: `git annex unused` shows them there, and
whoever needs what is left of them finds it.
"""

from __future__ import annotations

import os

from annexshell.disk.perms import make_directories
from annexshell.store.ingest import move

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.perms import Perms
    from annexshell.model.key import Key
    from annexshell.store.layout import Layout
    from annexshell.store.locks import ContentLocks
    from annexshell.store.protection import Protection


class Displacement:
    """Moves such files of one repository."""

    def __init__(self, layout: Layout, locks: ContentLocks, protection: Protection, perms: Perms) -> None:
        self._layout = layout
        self._locks = locks
        self._protection = protection
        self._perms = perms

    def displace(self, key: Key, path: bytes, is_bad: Callable[[], bool]) -> None:
        """Moves the file at `path` if it `is_bad` once nobody holds a lock on it. Raises ContentLocked,
        FileNotFoundError, OSError."""
        lock = self._locks.remove(path)
        try:
            if is_bad():
                make_directories(self._layout.bad, self._layout.annex_dir, self._perms)
                target = b"%b/%b" % (self._layout.bad, key.file_name)
                self._protection.thawed(os.path.dirname(path), lambda: move(path, target))
        finally:
            lock.release()
