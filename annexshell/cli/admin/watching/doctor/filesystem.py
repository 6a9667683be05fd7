"""Whether a repository's file system can do what we rely on. The checks are pure; `look` tries it out."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from stat import S_IMODE

from annexshell.cli.admin.watching.doctor.finding import ERROR, OK, WARNING, Finding
from annexshell.disk.durable import Durability, is_durable
from annexshell.disk.filelock import FileLocks
from annexshell.errors import DiskError, LockTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from annexshell.git.config import Config

_DISTANT = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "lustre", "9p", "afs", "ceph", "glusterfs", "beegfs")


class Features:
    """Facts. `kind` is the name of the file system, empty if unknown; `lag` is by how many seconds its clock is behind
    ours."""

    __slots__ = ("flushes", "hard_links", "kind", "lag", "locks", "modes", "symlinks")

    def __init__(
        self, kind: str, locks: bool, hard_links: bool, symlinks: bool, modes: bool, flushes: bool, lag: float
    ) -> None:
        self.kind = kind
        self.locks = locks
        self.hard_links = hard_links
        self.symlinks = symlinks
        self.modes = modes
        self.flushes = flushes
        self.lag = lag


def look(directory: str) -> Features:
    """Tries everything out in a temporary directory there. Raises OSError."""
    probe = tempfile.mkdtemp(prefix="annexshell-doctor.", dir=directory)
    try:
        path = f"{probe}/file"
        before = time.time()
        with open(path, "wb") as file:
            file.write(b"x")
        lag = before - os.stat(path).st_mtime
        return Features(
            _kind(os.path.realpath(directory)),
            _locks(path),
            _works(lambda: os.link(path, f"{probe}/link")),
            _works(lambda: os.symlink("file", f"{probe}/symlink")),
            _modes(path),
            _flushes(path),
            lag,
        )
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def _works(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _locks(path: str) -> bool:
    """Whether a lock excludes others, between processes and between descriptors of one process."""
    locks = FileLocks()
    try:
        with locks.exclusive(os.fsencode(path), 0):
            other = locks.try_shared(os.fsencode(path))
    except (OSError, LockTimeout):
        return False
    if other is not None:
        other.release()
    return other is None


def _modes(path: str) -> bool:
    def protect() -> None:
        os.chmod(path, 0o444)

    return _works(protect) and S_IMODE(os.stat(path).st_mode) == 0o444


def _flushes(path: str) -> bool:
    durability = Durability(True)
    fd = os.open(path, os.O_RDONLY)
    try:
        durability.file(fd)
        durability.directories((os.fsencode(os.path.dirname(path)),))
    except DiskError:
        return False
    finally:
        os.close(fd)
    return True


def _kind(directory: str) -> str:
    """The name of the file system that a directory is on, from proc_pid_mountinfo(5)."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in lines:
        before, _, behind = line.partition(" - ")
        mount = before.split()[4].replace("\\040", " ")
        if (directory + "/").startswith(mount.rstrip("/") + "/") and len(mount) >= len(best):
            best, kind = mount, behind.split()[0]
    return kind


def check_locks(features: Features, config: Config) -> Iterator[Finding]:
    """Whether annex.pidlock is needed, or only costs time."""
    pidlock = config.flag("annex.pidlock", False)
    name = features.kind or "this file system"
    if not features.locks and not pidlock:
        yield Finding("locks", ERROR, f"locks on files do not work on {name}; use: git config annex.pidlock true")
    elif features.locks and pidlock and features.kind not in _DISTANT:
        text = f"annex.pidlock lets only one session in at a time, and locks work on {name}"
        yield Finding("locks", WARNING, f"{text}; use: git config --unset annex.pidlock")
    elif features.locks and features.kind in _DISTANT and not pidlock:
        text = f"locks work on {name}, as seen from this host; all hosts that use the repository have to see them"
        yield Finding("locks", OK, text)
    else:
        yield Finding("locks", OK, f"annex.pidlock on {name}" if pidlock else f"locks on files work on {name}")


def check_features(features: Features, config: Config) -> Iterator[Finding]:
    """Whether the file system can do all else: links, modes, flushes."""
    crippled = config.flag("annex.crippledfilesystem", False)
    problems = []
    if not features.flushes and is_durable(config.get("core.fsync")):
        text = "it can't flush to disk, so that nothing can be stored; use: git config core.fsync none"
        problems.append((ERROR, text))
    if not features.modes and not crippled:
        text = "it does not keep modes, so that nothing can be protected; use: git config annex.crippledfilesystem true"
        problems.append((WARNING, text))
    if features.modes and crippled:
        text = "annex.crippledfilesystem is set, but modes work; use: git config --unset annex.crippledfilesystem"
        problems.append((WARNING, text))
    if not features.symlinks and config.flag("core.symlinks", True) and not config.flag("core.bare", False):
        problems.append((WARNING, "it has no symlinks; use: git config core.symlinks false"))
    if not features.hard_links and config.flag("annex.thin", False):
        problems.append((WARNING, "it has no hard links, which annex.thin needs; use: git config --unset annex.thin"))
    yield from (Finding("filesystem", status, text) for status, text in problems)
    if not problems:
        yield Finding("filesystem", OK, "it has all that is needed")
