"""Whether a repository can be served by this account. The checks are pure; `look` gathers what they need."""

from __future__ import annotations

import os
import pwd

from annexshell.cli.admin.doctor.finding import ERROR, OK, WARNING, Finding, in_bytes
from annexshell.disk.spawn import NOWHERE, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from annexshell.annexlog.git import Git
    from annexshell.annexlog.gitconfig import Config
    from annexshell.annexlog.gitdir import GitPaths

_CURRENT, _OLDEST = 10, 8  # repository versions; what is older has to be upgraded before git-annex uses it
_FEW = 1000  # inodes
_RESERVE = 100_000_000  # bytes, as in repo.parts
# What a session writes to, below the git directory.
_WRITTEN = (b"", b"objects", b"refs", b"refs/heads", b"annex", b"annex/objects", b"annex/tmp", b"annex/journal",
            b"annex/othertmp", b"annex/transfer")  # fmt: skip


class Served:
    """Facts. `free` and `inodes` are what is left for us, `unwritable` the highest directories we can't write to;
    `git_agrees` says whether git is ready to work here without being told the git directory."""

    __slots__ = ("directory", "free", "git_agrees", "inodes", "owner", "uid", "unwritable")

    def __init__(
        self,
        directory: str,
        uid: int,
        owner: int,
        git_agrees: bool,
        unwritable: list[str],
        free: int,
        inodes: int | None,
    ) -> None:
        self.directory = directory
        self.uid = uid
        self.owner = owner
        self.git_agrees = git_agrees
        self.unwritable = unwritable
        self.free = free
        self.inodes = inodes


def look(paths: GitPaths, git: Git) -> Served:
    """The repository as this account sees it. Raises OSError, ChildFailed."""
    top = paths.work_tree or paths.git_dir
    agrees = output(["git", b"-C", top, "rev-parse", "--git-dir"], git.env, errors=NOWHERE)[0] == 0
    unwritable: list[bytes] = []
    for path in (os.path.join(paths.common_dir, name).rstrip(b"/") for name in _WRITTEN):
        if os.path.isdir(path) and not os.access(path, os.W_OK | os.X_OK) and not path.startswith((*unwritable,)):
            unwritable.append(path)
    space = os.statvfs(paths.common_dir)
    return Served(
        os.fsdecode(top),
        os.geteuid(),
        os.stat(paths.git_dir).st_uid,
        agrees,
        [os.fsdecode(path) for path in unwritable],
        space.f_bavail * space.f_frsize,
        space.f_favail if space.f_files else None,
    )


def check_ownership(served: Served) -> Iterator[Finding]:
    """Whose it is, and whether git minds."""
    owner = _name(served.owner)
    if served.uid == 0 != served.owner:
        text = f"it belongs to {owner} and you are root; use: sudo -u {owner} annexshell doctor {served.directory}"
        yield Finding("ownership", WARNING, text)
    elif not served.git_agrees:
        text = f"git refuses to work in what belongs to {owner}; use: git config --global --add safe.directory"
        yield Finding("ownership", ERROR, f"{text} {served.directory}")
    else:
        yield Finding("ownership", OK, f"it belongs to {owner}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def check_permissions(served: Served) -> Iterator[Finding]:
    """Whether a session can write."""
    for path in served.unwritable:
        text = f"this account can't write to {path}; use: chown -R {_name(served.uid)} {path}"
        yield Finding("permissions", ERROR, f"{text}, or share it with git config core.sharedRepository group")
    if not served.unwritable:
        yield Finding("permissions", OK, "this account can write to it")


def check_version(config: Config) -> Iterator[Finding]:
    """Whether it is git-annex's, and of a version that we know."""
    version = config.number("annex.version", 0)
    if not config.get("annex.uuid"):
        yield Finding("version", ERROR, "it is no git-annex repository yet; use: annexshell init")
    elif version < _OLDEST:
        yield Finding("version", ERROR, f"annex.version is {version or 'not set'}; use: git annex upgrade")
    elif version < _CURRENT:
        yield Finding("version", WARNING, f"annex.version is {version}, and locks are slower; use: git annex upgrade")
    elif version > _CURRENT:
        yield Finding("version", WARNING, f"annex.version is {version}, newer than this annexshell; upgrade that")
    else:
        yield Finding("version", OK, f"annex.version is {version}")


def check_space(served: Served, config: Config) -> Iterator[Finding]:
    """Whether uploads find room."""
    reserve = config.size("annex.diskreserve", -1)
    if reserve < 0 and config.get("annex.diskreserve") is not None:
        text = f"annex.diskreserve is no size: {os.fsdecode(config.get('annex.diskreserve') or b'')!r}"
        yield Finding("space", WARNING, f"{text}; use: git config annex.diskreserve 1GB")
    reserve = _RESERVE if reserve < 0 else reserve
    left = f"{in_bytes(served.free)} free, {in_bytes(reserve)} reserved by annex.diskreserve"
    if served.free <= reserve:
        yield Finding("space", ERROR, f"{left}: uploads are refused; make room, or reserve less")
    elif served.inodes is not None and served.inodes < _FEW:
        yield Finding("space", ERROR, f"only {served.inodes} more files fit on the file system; delete some")
    elif served.free < 2 * reserve:
        yield Finding("space", WARNING, f"{left}; make room soon")
    else:
        yield Finding("space", OK, left)
