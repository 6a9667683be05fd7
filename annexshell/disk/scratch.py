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
    from types import TracebackType

    from annexshell.disk.durable import Durability
    from annexshell.disk.filelock import FileLocks
    from annexshell.disk.perms import Perms

_PATIENCE = 60.0  # seconds; git-annex holds the exclusive lock only while it deletes old files
_ATTEMPTS = 5


class Draft:
    """A new text for a file, in a file of its own until it takes that one's place."""

    __slots__ = ("_name", "_stays", "fd")

    def __init__(self, name: bytes, fd: int) -> None:
        self.fd = fd
        self._name = name
        self._stays = False

    def is_there(self) -> bool:
        """Whether nobody has taken it away."""
        try:
            there, ours = os.stat(self._name), os.fstat(self.fd)
        except FileNotFoundError:
            return False
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def publish(self, path: bytes, before: Callable[[], None] | None = None) -> None:
        """Puts it in the place of the file at `path`. `before` is called just before that, and if that fails, or is
        killed, after it, the draft stays where it is and tells of it. Raises OSError."""
        if before is not None:
            before()
        self._stays = True
        os.rename(self._name, path)

    def close(self) -> None:
        """Removes it unless it has been published."""
        try:
            if not self._stays and self.is_there():
                os.unlink(self._name)
        finally:
            os.close(self.fd)

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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

    def replace(self, path: bytes, data: bytes, before: Callable[[], None] | None = None, durably: bool = True) -> None:
        """Puts a file with content `data` at `path`, replacing any file there. The directory must exist, and is not
        flushed here; nor is the file unless that is done `durably`: after a crash it may be empty then. `before` is
        called when the new file is on disk but not yet in its place. Raises OSError, DiskError and LockTimeout."""
        with self._locks.shared(self._lock_path, _PATIENCE, stays=True):
            self._count += 1
            temporary = b"%b/annexshell.%d.%d.%d" % (self._directory, os.getpid(), id(self), self._count)
            fd = self._create(temporary, os.O_TRUNC)
            try:
                self._fill(fd, data)
                if durably:
                    self._durability.file(fd)
                self._perms.new_file(temporary)
                if before is not None:
                    before()
                os.rename(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
            finally:
                os.close(fd)

    def replace_by(self, name: bytes, path: bytes, data: bytes, before: Callable[[], None] | None = None) -> None:
        """The same by a draft of that name, where there can be one."""
        draft = self.draft(name, data)
        if draft is None:
            self.replace(path, data, before)
            return
        with draft:
            draft.publish(path, before)

    def draft(self, name: bytes, data: bytes) -> Draft | None:
        """A new text, on disk in a file of this name, which is outside of AD/othertmp. None where there is one already,
        which may be somebody else's. Raises OSError, DiskError."""
        try:
            draft = Draft(name, self._create(name, os.O_EXCL))
        except OSError:
            return None
        try:
            self._fill(draft.fd, data)
            self._durability.file(draft.fd)
            self._perms.new_file(name)
        except BaseException:
            draft.close()
            raise
        return draft

    def _create(self, path: bytes, flag: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag
        for _ in range(_ATTEMPTS):
            try:
                return os.open(path, flags, 0o666)
            except FileNotFoundError:  # others may remove the directory while it is empty
                make_directories(os.path.dirname(path), self._annex_dir, self._perms)
        return os.open(path, flags, 0o666)

    def _fill(self, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
