"""Finds out what a file system lacks, and which settings make up for it (upstream: Annex/Init.hs)."""

from __future__ import annotations

import os
from stat import S_ISFIFO

from annexshell.disk.filelock import FileLocks
from annexshell.errors import LockTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths


def probe(paths: GitPaths, config: Config, warn: Callable[[str], None]) -> dict[str, str]:
    """The settings that git-annex, and we, need on the file system of a repository. Raises OSError."""
    file = paths.git_dir + b"/annexshell-probe.%d" % os.getpid()
    other = file + b".2"
    settings = {}
    try:
        if not config.flag("annex.pidlock", False) and not _has_locks(file):
            warn("locks on files do not work on this file system: annex.pidlock is enabled")
            settings["annex.pidlock"] = "true"
        if not _has_fifos(file, other):
            warn("this file system has no named pipes: annex.sshcaching is disabled")
            settings["annex.sshcaching"] = "false"
        if not (_has_symlinks(other) and (_has_freeze_hook(paths, config) or _has_modes(file))):
            warn("this file system lacks symlinks or modes: annex.crippledfilesystem is set")
            settings["annex.crippledfilesystem"] = "true"
            if config.flag("core.symlinks", True):
                settings["core.symlinks"] = "false"
    finally:
        for path in (file, other):
            _remove(path)
    return settings


def _remove(path: bytes) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _has_locks(path: bytes) -> bool:
    try:
        FileLocks().exclusive(path, 0).release()
    except (OSError, LockTimeout):
        return False
    return True


def _has_fifos(path: bytes, other: bytes) -> bool:
    """Whether there can be named pipes, and hard links of them: git-annex's sockets for ssh need both."""
    try:
        _remove(path)
        os.mkfifo(path, 0o600)
        os.link(path, other)
        return S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False
    finally:
        _remove(path)
        _remove(other)


def _has_symlinks(path: bytes) -> bool:
    try:
        os.symlink(b"target", path)
    except OSError:
        return False
    return True


def _has_freeze_hook(paths: GitPaths, config: Config) -> bool:
    """Whether the owner protects objects by a hook in place of modes."""
    return os.access(paths.hooks_dir + b"/freezecontent-annex", os.X_OK) or bool(
        config.get("annex.freezecontent-command")
    )


def _has_modes(path: bytes) -> bool:
    """Whether the write bits of a file can be removed, and keep others than root from writing."""
    with open(path, "wb") as file:
        try:
            os.fchmod(file.fileno(), 0o444)
        except OSError:
            return False
        if os.fstat(file.fileno()).st_mode & 0o222:
            return False
    return os.getuid() == 0 or not os.access(path, os.W_OK)
