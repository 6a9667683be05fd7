"""Whether this account can serve a repository. The checks are pure; `look` gathers what they need."""

from __future__ import annotations

import contextlib
import os

from annexshell.cli.admin.amounts import in_bytes
from annexshell.cli.admin.owner import name_of
from annexshell.cli.admin.watching.doctor.finding import ERROR, OK, WARNING, Finding
from annexshell.disk.spawn import NOWHERE, output
from annexshell.git.program import trusts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.git.program import Git

_CURRENT, _OLDEST = 10, 8  # repository versions; git-annex upgrades older ones before it uses them
_FEW = 1000  # inodes, below which there is a warning
_RESERVE = 100_000_000  # bytes, as in repo.local.parts
# What a session writes to, below the git directory.
_WRITTEN = (b"", b"objects", b"refs", b"refs/heads", b"reftable", b"annex", b"annex/objects", b"annex/tmp",
            b"annex/journal", b"annex/othertmp", b"annex/transfer")  # fmt: skip
_FILLED = (b"objects", b"annex", b"annex/objects")  # a session also writes to all directories in these
_NAMED = 3  # directories that a finding names; the others are counted


class Room:
    """Facts about where a repository lies. `free` bytes and `inodes` are left for us; `unwritable` are the topmost
    directories that we can't write to; `read_only` is whether the file system is mounted so."""

    __slots__ = ("free", "inodes", "read_only", "unwritable")

    def __init__(self, unwritable: list[str], free: int, inodes: int | None, read_only: bool) -> None:
        self.unwritable = unwritable
        self.free = free
        self.inodes = inodes
        self.read_only = read_only


class RepositoryFacts:
    """Facts about a repository, which we look at as the account `uid`. `git_agrees` is whether git works here without
    being told the git directory; `head` is the branch that HEAD names, and `branches` are those that exist."""

    __slots__ = ("branches", "directory", "git_agrees", "head", "owner", "room", "uid")

    def __init__(
        self, directory: str, uid: int, owner: int, git_agrees: bool, room: Room, head: str, branches: list[str]
    ) -> None:
        self.directory = directory
        self.uid = uid
        self.owner = owner
        self.git_agrees = git_agrees
        self.room = room
        self.head = head
        self.branches = branches


def look(paths: GitPaths, git: Git) -> RepositoryFacts:
    """The repository as this account sees it. Raises OSError, ChildFailed."""
    top = paths.work_tree or paths.git_dir
    agrees = trusts(top, git.env)
    space = os.statvfs(paths.common_dir)
    room = Room(
        [os.fsdecode(path) for path in _unwritable(paths.common_dir)],
        space.f_bavail * space.f_frsize,
        space.f_favail if space.f_files else None,
        bool(space.f_flag & os.ST_RDONLY),
    )
    branches = os.fsdecode(git.output("for-each-ref", "--format=%(refname)", "refs/heads")).split()
    owner = os.stat(paths.git_dir).st_uid
    return RepositoryFacts(os.fsdecode(top), os.geteuid(), owner, agrees, room, _head(git), branches)


def _unwritable(directory: bytes) -> list[bytes]:
    """The topmost directories that a session writes to and that we can't write to."""
    candidates = [os.path.join(directory, name).rstrip(b"/") for name in _WRITTEN]
    for name in _FILLED:
        with contextlib.suppress(OSError):
            candidates += [entry.path for entry in os.scandir(os.path.join(directory, name))]
    found: list[bytes] = []
    for path in dict.fromkeys(candidates):
        if os.path.isdir(path) and not os.access(path, os.W_OK | os.X_OK):
            found += [path] if not path.startswith((*(above + b"/" for above in found),)) else []
    return found


def _head(git: Git) -> str:
    """The branch that HEAD names, whether or not it exists; empty if HEAD names none."""
    return os.fsdecode(output(git.argv("symbolic-ref", "-q", "HEAD"), git.env, NOWHERE)[1]).strip()


def check_ownership(served: RepositoryFacts) -> Iterator[Finding]:
    """Who owns the repository, and whether git works in a repository of that owner."""
    owner = name_of(served.owner)
    if served.uid == 0 != served.owner:
        command = f"su {owner} -s /bin/sh -c 'annexshell doctor {served.directory}'"
        text = f"it belongs to {owner} and you are root, who may write where {owner} may not; use: {command}"
        yield Finding("ownership", WARNING, text)
    elif not served.git_agrees:
        me = name_of(served.uid)
        mine = f"chown -R {me} {served.directory}"
        text = (
            f"git refuses to work in what belongs to {owner}; use: {mine}, as root, or to leave it {owner}'s, as {me}:"
        )
        yield Finding("ownership", ERROR, f"{text} git config --global --add safe.directory {served.directory}")
    else:
        yield Finding("ownership", OK, f"it belongs to {owner}")


def check_permissions(served: RepositoryFacts) -> Iterator[Finding]:
    """Whether a session can write to the repository."""
    if served.room.read_only:
        text = f"the file system of {served.directory} is mounted read-only, so that nothing can be stored"
        remedy = f"mount -o remount,rw $(findmnt -no TARGET -T {served.directory})"
        yield Finding("permissions", ERROR, f"{text}; see what dmesg says of the disk, and use: {remedy}, as root")
        return
    if served.room.unwritable:
        rest = len(served.room.unwritable) - _NAMED
        which = ", ".join(served.room.unwritable[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        me, owner = name_of(served.uid), name_of(served.owner)
        text = f"the account {me} can't write to {which}; use: "
        if served.owner != served.uid:
            text += f"su {owner} -s /bin/sh -c 'annexshell doctor {served.directory}', or to give it to {me}: "
        yield Finding("permissions", ERROR, f"{text}chown -R {me} {served.directory}, as root")
    else:
        yield Finding("permissions", OK, "this account can write to it")


def check_branch(served: RepositoryFacts) -> Iterator[Finding]:
    """Whether a clone gets files: git checks out the branch that HEAD names, which may not exist."""
    own = ("refs/heads/git-annex", "refs/heads/synced/", "refs/heads/adjusted/", "refs/heads/view")
    others = [branch for branch in served.branches if not branch.startswith(own)]
    if served.head in served.branches or not served.head or not others:
        yield Finding("branch", OK, served.head.removeprefix("refs/heads/") or "HEAD names none")
    else:
        likely = next((branch for branch in ("refs/heads/main", "refs/heads/master") if branch in others), others[0])
        text = (
            f"who clones gets no files, since HEAD names {served.head.removeprefix('refs/heads/')}, which is not there"
        )
        yield Finding("branch", WARNING, f"{text}; use: git symbolic-ref HEAD {likely}")


def check_version(config: Config) -> Iterator[Finding]:
    """Whether it is a git-annex repository, of a version that we know."""
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


def check_space(served: RepositoryFacts, config: Config) -> Iterator[Finding]:
    """Whether there is space for uploads."""
    reserve = config.size("annex.diskreserve", -1)
    if reserve < 0 and config.get("annex.diskreserve") is not None:
        text = f"annex.diskreserve is no size: {os.fsdecode(config.get('annex.diskreserve') or b'')!r}"
        yield Finding("space", WARNING, f"{text}; use: git config annex.diskreserve 1GB")
    reserve = _RESERVE if reserve < 0 else reserve
    left = f"{in_bytes(served.room.free)} free, {in_bytes(reserve)} reserved by annex.diskreserve"
    if served.room.free <= reserve:
        yield Finding("space", ERROR, f"{left}: uploads are refused; make room, or reserve less")
    elif served.room.inodes is not None and served.room.inodes < _FEW:
        yield Finding("space", ERROR, f"only {served.room.inodes} more files fit on the file system; delete some")
    elif served.room.free < 2 * reserve:
        yield Finding("space", WARNING, f"{left}; make room soon")
    else:
        yield Finding("space", OK, left)
