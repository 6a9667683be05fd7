"""Replaces small files atomically, through a temporary file in AD/othertmp.

Any git-annex process wipes that directory when it ends, unless somebody holds a shared lock on AD/othertmp.lck
(Annex/Tmp.hs), so we hold one while a file of ours lies there. Temporary files must not lie beside the file they are to
replace: everything in AD/journal would be committed, and everything in AD/tmp be taken for a partial object.
"""

from __future__ import annotations

import os

from annexshell.disk.perms import make_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.durable import Durability
    from annexshell.disk.filelock import FileLocks
    from annexshell.disk.perms import Perms

_PATIENCE = 60.0  # seconds; git-annex holds the exclusive lock only while it deletes old files
_ATTEMPTS = 5


class Scratch:
    """The scratch space of one repository."""

    def __init__(self, annex_dir: bytes, locks: FileLocks, perms: Perms, durability: Durability) -> None:
        self._annex_dir = annex_dir
        self._directory = annex_dir + b"/othertmp"
        self._lock_path = annex_dir + b"/othertmp.lck"
        self._locks = locks
        self._perms = perms
        self._durability = durability
        self._count = 0

    def replace(self, path: bytes, data: bytes, before: Callable[[], None] | None = None) -> None:
        """Puts a file with content `data` at `path`, replacing any file there. The directory must exist, and is not
        flushed here. `before` is called when the new file is on disk but not yet in its place. Raises OSError,
        DiskError and LockTimeout."""
        with self._locks.shared(self._lock_path, _PATIENCE, stays=True):
            self._count += 1
            temporary = b"%b/annexshell.%d.%d.%d" % (self._directory, os.getpid(), id(self), self._count)
            fd = self._create(temporary, os.O_TRUNC)
            try:
                self._publish(fd, temporary, path, data, before)
            except BaseException:
                os.unlink(temporary)
                raise

    def replace_by(self, draft: bytes, path: bytes, data: bytes, before: Callable[[], None] | None = None) -> None:
        """The same by a file outside of AD/othertmp, which nobody else writes just now. The `draft` stays if this fails
        or is killed after `before`, or if it was there already. Where it can't be opened, as it is another account's,
        there is none."""
        try:
            fd, stays = self._draft(draft)
        except OSError:
            self.replace(path, data, before)
            return

        def noted() -> None:
            nonlocal stays
            if before is not None:
                before()
            stays = True

        try:
            self._publish(fd, draft, path, data, noted)
        except BaseException:
            if not stays:
                os.unlink(draft)
            raise

    def _draft(self, path: bytes) -> tuple[int, bool]:
        """The file, opened, and whether it was there already."""
        try:
            return self._create(path, os.O_EXCL), False
        except FileExistsError:
            return os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), True

    def _create(self, path: bytes, flag: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag
        for _ in range(_ATTEMPTS):
            try:
                return os.open(path, flags, 0o666)
            except FileNotFoundError:  # others may remove the directory while it is empty
                make_directories(os.path.dirname(path), self._annex_dir, self._perms)
        return os.open(path, flags, 0o666)

    def _publish(self, fd: int, temporary: bytes, path: bytes, data: bytes, before: Callable[[], None] | None) -> None:
        try:
            self._fill(fd, data)
            self._perms.new_file(temporary)
            if before is not None:
                before()
            os.rename(temporary, path)
        finally:
            os.close(fd)

    def _fill(self, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        self._durability.file(fd)
