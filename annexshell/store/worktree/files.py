"""Files of the work tree, as far as they stand for annexed content: reaching them safely, and telling pointers.

Upstream: Annex/Link.hs. The paths come from a database, and directories may be replaced by symbolic links at any time,
so a file is only touched through a descriptor of its directory, which was reached without following any symbolic link
below the top of the work tree.
"""

from __future__ import annotations

import os
from errno import EINVAL, ENOSYS, EOPNOTSUPP, EPERM, EXDEV
from fcntl import ioctl
from stat import S_IMODE, S_ISREG

from annexshell.disk.perms import make_directories
from annexshell.errors import BadKey
from annexshell.model.key import key_from_file_name
from annexshell.store.worktree.keysdb import inode_cache_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from annexshell.disk.filelock import FileLocks, Lock
    from annexshell.disk.perms import Perms
    from annexshell.model.key import Key

LARGEST_POINTER = 32768  # bytes
_TAG = b"/annex/objects/"
_LATER_TAG = b"/annex/"  # is on every further line of a pointer, so that other text after it makes it none

_PATIENCE = 10.0  # seconds; git-annex cleans up under this lock
_FICLONE = 0x40049409
_CHUNK = 1 << 30  # bytes asked of the kernel at once
_CAN_NOT = (EXDEV, ENOSYS, EINVAL, EOPNOTSUPP)

_OPEN_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def pointer_text(key: Key) -> bytes:
    """What an unlocked file whose content is not here consists of."""
    return b"%b%b\n" % (_TAG, key.file_name)


def parse_pointer(data: bytes) -> Key | None:
    """The key that a pointer file with this content points to, or None if it is no pointer file."""
    first, _, rest = data.partition(b"\n")
    if _TAG not in first or len(data) > LARGEST_POINTER:
        return None
    lines = rest.split(b"\n")
    if lines.pop() != b"" or not all(_LATER_TAG in line for line in lines):
        return None
    try:
        return key_from_file_name(first.removesuffix(b"\r").rpartition(b"/")[2])
    except BadKey:
        return None


def is_below(path: bytes) -> bool:
    """Whether a path from the database leads to something below the top of a work tree and in no git directory."""
    parts = path.split(b"/")
    return b"\0" not in path and not any(part in (b"", b".", b"..") or part.lower() == b".git" for part in parts)


class FilePlace:
    """The place of a file in the work tree. What is there may change between any two calls. All raise OSError."""

    __slots__ = ("_directory", "_name")

    def __init__(self, top: bytes, path: bytes) -> None:
        """`path` is relative to `top`. Raises OSError too where a directory on the way is a symbolic link."""
        if not is_below(path):
            raise PermissionError(EPERM, "not a path inside of the work tree")
        *directories, self._name = path.split(b"/")
        self._directory = os.open(top, _OPEN_DIRECTORY)
        for name in directories:
            above = self._directory
            try:
                self._directory = os.open(name, _OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
            except OSError:
                self._directory = -1
                raise
            finally:
                os.close(above)

    def __enter__(self) -> FilePlace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._directory)

    def status(self) -> os.stat_result:
        """The status of what is there; of a symbolic link, the link's own."""
        return os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)

    def pointer(self) -> bytes | None:
        """The content of the file if it may be a pointer file, because it is regular and small enough."""
        if not _may_be_pointer(self.status()):  # don't even open a device
            return None
        fd = os.open(self._name, _OPEN_FILE, dir_fd=self._directory)
        try:
            opened = os.fstat(fd)
            if not _may_be_pointer(opened):
                return None
            data = os.read(fd, LARGEST_POINTER + 1)
        finally:
            os.close(fd)
        return data if inode_cache_of(self.status()) == inode_cache_of(opened) else None

    def points_to(self, key: Key) -> bool:
        """Whether the file is a pointer to the key, and nothing else."""
        try:
            data = self.pointer()
        except OSError:
            return False
        return data is not None and parse_pointer(data) == key

    def make_writable(self) -> None:
        fd = os.open(self._name, _OPEN_FILE, dir_fd=self._directory)
        try:
            os.fchmod(fd, os.fstat(fd).st_mode & 0o7777 | 0o200)
        finally:
            os.close(fd)

    def link_to(self, path: bytes) -> None:
        """Gives the file another name, for what has to be done once it is replaced here."""
        os.link(self._name, path, src_dir_fd=self._directory, follow_symlinks=False)

    def replace_by(self, path: bytes) -> None:
        """Moves the file at `path` here."""
        os.rename(path, self._name, dst_dir_fd=self._directory)


def _may_be_pointer(info: os.stat_result) -> bool:
    return S_ISREG(info.st_mode) and 0 < info.st_size <= LARGEST_POINTER


class WorkTreeScratch:
    """Names for temporary files in AD/othertmp, on whose lock git-annex waits before it deletes all that is there."""

    def __init__(self, annex_dir: bytes, locks: FileLocks, perms: Perms) -> None:
        self._annex_dir = annex_dir
        self._locks = locks
        self._perms = perms
        self._names: list[bytes] = []
        self._lock: Lock | None = None

    def name(self) -> bytes:
        name = b"%b/othertmp/%b" % (self._annex_dir, os.urandom(12).hex().encode())
        self._names.append(name)
        return name

    def __enter__(self) -> WorkTreeScratch:
        """Raises LockTimeout, OSError."""
        lock = self._locks.shared(self._annex_dir + b"/othertmp.lck", _PATIENCE)
        try:
            make_directories(self._annex_dir + b"/othertmp", self._annex_dir, self._perms)
        except OSError:
            lock.release()
            raise
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._names:
            try:
                os.unlink(name)
            except OSError:
                pass
        if self._lock is not None:
            self._lock.release()


def try_link(source: bytes, target: bytes) -> bool:
    """Makes a hard link where that is possible."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def copy_content(source: bytes, target: bytes) -> None:
    """Copies a file to a new one, sharing the blocks where the file system can. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(source, "rb", buffering=0) as reading, open(os.open(target, flags, 0o666), "wb", buffering=0) as writing:
        ours, theirs = writing.fileno(), reading.fileno()
        try:
            ioctl(ours, _FICLONE, theirs)
        except OSError:
            _move_all(lambda: os.copy_file_range(theirs, ours, _CHUNK))
            _move_all(lambda: os.sendfile(ours, theirs, None, _CHUNK))


def _move_all(move: Callable[[], int]) -> None:
    """Calls until nothing is left to be moved, or the kernel says that it can't do it this way here."""
    try:
        while move():
            pass
    except OSError as error:
        if error.errno not in _CAN_NOT:
            raise


def set_executable(path: bytes, executable: bool) -> None:
    """Sets the one permission that git knows of, unless the file is another user's or the file system has none."""
    mode = S_IMODE(os.stat(path).st_mode)
    wanted = mode | (mode & 0o444) >> 2 if executable else mode & ~0o111
    if mode != wanted:
        try:
            os.chmod(path, wanted)
        except PermissionError:
            pass


def set_mtime(path: bytes, mtime_ns: int) -> None:
    """Sets the modification time of a file, unless it is another user's."""
    try:
        os.utime(path, ns=(mtime_ns, mtime_ns))
    except PermissionError:
        pass


def write_like(path: bytes, data: bytes, model: os.stat_result) -> None:
    """Writes a new file with the permissions and modification time of another. Raises OSError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb", buffering=0) as file:
        file.write(data)
        try:
            os.fchmod(file.fileno(), S_IMODE(model.st_mode))
        except PermissionError:
            pass
    set_mtime(path, model.st_mtime_ns)
