"""AD/pidlock, the file that says which process has locked a repository with annex.pidlock=true.

Upstream: Utility/LockFile/PidLock.hs. A side lock, a real one on a local file system, tells whether a holder on the
same host is still alive. Its name comes from the path of the repository, so that a process that uses another path, or
another locale, has another side lock and takes AD/pidlock for a stale one. So we take the side locks of all names under
which the repository is likely to be used, and leave AD/pidlock alone while the process that wrote it runs.
"""

from __future__ import annotations

import os
import time

from annexshell.disk.filelock import FileLocks, Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TAIL = 32  # characters of a path that its side lock's name ends with
_CLOCKS = 1.0  # seconds that the clock of a file server may be behind ours
_BEFORE_PID, _BEFORE_HOST, _BEHIND_HOST = b"PidLock {lockingPid = ", b', lockingHost = "', b'"}'
_LONGEST_PID = 10  # digits


class PidLockFile:
    """AD/pidlock of one repository and its side locks. With `inherited`, a parent process holds them while we run."""

    def __init__(self, annex_dir: bytes, inherited: bool) -> None:
        self._annex_dir = annex_dir
        self._path = annex_dir + b"/pidlock"
        self._inherited = inherited
        self._names: dict[bytes, None] = {}
        self._side_paths: dict[bytes, bool] = {}
        self._side_locks: list[Lock] = []
        self._text = b""  # what we wrote into it

    def add_names(self, names: Iterable[bytes]) -> None:
        """Adds paths by which others may use the repository."""
        for name in names:
            if name not in self._names:
                self._names[name] = None
                self._side_paths = {}

    def try_take(self) -> bool:
        """Takes the lock unless somebody else has it. Raises OSError."""
        if self._inherited:
            return True
        taken = False
        try:
            taken = self._take_side_locks() and self._claim()
        finally:
            if not taken:
                self._drop_side_locks()
        return taken

    def drop(self) -> None:
        """Releases the lock. The side locks go last: in the other order, which is upstream's, somebody may take the
        file over just before we delete it."""
        if self._inherited:
            return
        try:
            if self.is_ours():
                os.unlink(self._path)
        except OSError:
            pass  # without its side locks it is stale
        self._drop_side_locks()

    def is_ours(self) -> bool:
        """Whether nobody has taken the lock away from us."""
        if self._inherited:
            return True
        found = read(self._path)
        return found is not None and found[0] == self._text

    def _take_side_locks(self) -> bool:
        if not self._side_paths:
            self._side_paths = side_locks(self._names)
        locks = FileLocks(_open_to_all)
        for path, must in self._side_paths.items():
            try:
                lock = locks.try_exclusive(path)
            except OSError:
                if must:
                    return False
                continue
            if lock is None:
                return False
            if not lock.is_sane():
                lock.release()
                return False
            self._side_locks.append(lock)
        return True

    def _drop_side_locks(self) -> None:
        """Deletes the files of the side locks before the locks end, so that the next process to lock one notices."""
        for lock in self._side_locks:
            _unlink(lock.path)
            lock.release()
        self._side_locks = []

    def _claim(self) -> bool:
        """Takes AD/pidlock with the side locks held: a file that is there belongs to another host, or is stale."""
        found = read(self._path)
        if found is not None and not _is_stale(*found):
            return False
        self._text = b"%b%d%b%b%b" % (_BEFORE_PID, os.getpid(), _BEFORE_HOST, _hostname(), _BEHIND_HOST)
        temporary = b"%b/locktmp%b" % (self._annex_dir, os.urandom(8).hex().encode())
        try:
            _write(temporary, self._text)
            if found is None:
                return self._link(temporary)
            os.rename(temporary, self._path)
            return True
        finally:
            _unlink(temporary)

    def _link(self, temporary: bytes) -> bool:
        """Puts the file in place unless there is one. On a network file system a link may fail and yet be there, or the
        other way round, so that only looking tells."""
        try:
            os.link(temporary, self._path)
        except OSError:
            pass
        ours = os.lstat(temporary)
        try:
            there = os.lstat(self._path)
        except FileNotFoundError:
            return self._create()
        return (there.st_dev, there.st_ino, ours.st_nlink) == (ours.st_dev, ours.st_ino, 2) and self._is_there_once()

    def _create(self) -> bool:
        """Does the same on a file system that seems to have no hard links."""
        try:
            _write(self._path, self._text)
        except FileExistsError:
            return False
        return True

    def _is_there_once(self) -> bool:
        """Lustre has been seen to have two files of one name after such a link; ours is the one that unlink removes."""
        entries = os.listdir(self._annex_dir).count(b"pidlock")
        if entries > 1:
            _unlink(self._path)
        return entries == 1


def side_locks(names: Iterable[bytes]) -> dict[bytes, bool]:
    """The side locks for an AD/pidlock of these names (absolute and tidy), and whether each must be held.

    A long name is cut by characters, which are what the locale says: UTF-8 or C. A short one has no hash before it, and
    some versions then leave the slash out as well: that file, beside the directory, is one that only root can make.
    """
    directory = b"/dev/shm" if os.path.isdir(b"/dev/shm") else b"/tmp"
    paths = {}
    for name in names:
        base = name.lstrip(b"/").replace(b"/", b"_")
        characters = base.decode("utf-8", "surrogateescape")
        for tail in (characters[-_TAIL:].encode("utf-8", "surrogateescape"), base[-_TAIL:]):
            if tail == base:
                paths[b"%b/%b.lck" % (directory, base)] = True
                paths[b"%b%b.lck" % (directory, base)] = False
            else:
                paths[b"%b/%b%b.lck" % (directory, _hash(base), tail)] = True
    return paths


def parse(text: bytes) -> tuple[int, bytes] | None:
    """The process id and the host in a pid lock file, or None for anything else."""
    text = text.strip()
    pid, separator, host = text[len(_BEFORE_PID) : -len(_BEHIND_HOST)].partition(_BEFORE_HOST)
    if not (text.startswith(_BEFORE_PID) and separator and text.endswith(_BEHIND_HOST)):
        return None
    return (int(pid), host) if pid.isdigit() and len(pid) < _LONGEST_PID else None


def _is_stale(text: bytes, written: float) -> bool:
    """Whether a pid lock file whose side locks we hold may be taken over. `written` is a time on the wall clock."""
    holder = parse(text)
    if holder is None or holder[1] != _hostname():
        return False
    return holder[0] == os.getpid() or not is_running(holder[0], written)


def is_running(pid: int, since: float) -> bool:
    """Whether the process that had this id at a time on the wall clock is still running. A younger process with the
    same id is another one."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *rest = file.read().rpartition(b")")[2].split()  # proc_pid_stat(5)
    except OSError:
        return False
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(rest[18]) / os.sysconf("SC_CLK_TCK")
    return state not in (b"Z", b"X") and time.time() - age <= since + _CLOCKS


def _hostname() -> bytes:
    return os.fsencode(os.uname().nodename)


def _hash(text: bytes) -> bytes:
    from hashlib import md5

    return md5(text, usedforsecurity=False).hexdigest().encode()


def _open_to_all(path: bytes) -> None:
    """Lets everybody who uses the repository use a side lock after us."""
    try:
        os.chmod(path, 0o666)
    except OSError:
        pass


def read(path: bytes) -> tuple[bytes, float] | None:
    """The content of a file and when it was written, or None where there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4096) or b"", os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None


def _write(path: bytes, text: bytes) -> None:
    """Writes a new file that everybody may read. Raises OSError, and then leaves no file."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        os.write(fd, text)
    except OSError:
        _unlink(path)
        raise
    finally:
        os.close(fd)
    try:
        os.chmod(path, 0o444)
    except OSError:
        pass  # a file system without modes


def _unlink(path: bytes) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
