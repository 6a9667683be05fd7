"""Making repositories for clients: by a push to where there is none yet, or by an administrator.

One is made under a name that nobody looks at, and gets its own at once when it is complete. A repository made by a push
that never came is removed after a while, unless anything at all is in it.
"""

from __future__ import annotations

import os
import shutil
import time

from annexshell.disk.durable import Durability
from annexshell.disk.filelock import FileLocks
from annexshell.disk.files import read_file
from annexshell.disk.spawn import run
from annexshell.errors import ChildFailed, Refused, WrongRepository
from annexshell.git.config import read_config, set_config, unset_config
from annexshell.git.paths import PRIVATE, locate
from annexshell.git.program import Git
from annexshell.repo.initialization.initialize import initialize
from annexshell.repo.local.closing import close

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annexshell.disk.filelock import Lock
    from annexshell.disk.spawn import Environment
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths

OWNER = "annexshell.owner"  # who has made it by a push
EMPTY_SINCE = "annexshell.emptysince"  # seconds of the wall clock, and the commit of the git-annex branch then
_MARK = b"emptysince"
_LOCK = b"/annexshell-empty.lck"
_LONGEST = 100  # bytes of a name
_DEEPEST = 8
_AGE = 86400.0  # seconds
_FORBIDDEN = b'\\:*?"<>|~^[%'


def check_name(words: Sequence[bytes]) -> None:
    """Raises Refused unless a repository may be made at this path below a directory: names are such as every file
    system, git and people can bear."""
    if not words or len(words) > _DEEPEST:
        raise Refused("a new repository needs a name of at most eight parts")
    for word in words:
        stem = word.removesuffix(b".git")
        if (
            not stem
            or len(word) > _LONGEST
            or word.startswith((b".", b"-"))
            or stem.endswith((b".", b".lock", b".git"))
        ):
            raise Refused("a new repository can't have that name")
        try:
            text = word.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("the name of a new repository has to be UTF-8") from None
        if not text.isprintable() or any(byte in _FORBIDDEN for byte in word):
            raise Refused("a new repository can't have that name")


def create(
    top: bytes,
    words: Sequence[bytes],
    owner: bytes,
    description: bytes | None,
    env: Environment,
    warn: Callable[[str], None],
) -> bytes:
    """Makes a bare repository that git-annex can use below a directory, and returns its path. One that somebody else
    has made meanwhile will do. With an `owner` it is one that has to fill. Raises Refused, ChildFailed, OSError."""
    check_name(words)
    *above, last = words
    directory = top.rstrip(b"/")
    named_by = [directory or b"/"]
    for word in above:
        directory += b"/" + word
        _make_directory(directory)
        named_by.append(directory)
    name = last if last.endswith(b".git") else last + b".git"
    if os.path.lexists(b"%b/%b" % (directory, name.removesuffix(b".git"))):
        raise Refused("a new repository can't have that name: something else has it")
    path = directory + b"/" + name
    if os.path.lexists(path):
        return path
    made = _private_name(directory)
    os.mkdir(made)
    try:
        _fill(made, name, owner, description, env, warn)
        # Uploads to it are flushed and acknowledged soon; git init has flushed nothing of what they need to be found.
        _flush(made)
        os.rename(made, path)
    except OSError:
        if not os.path.isdir(path):
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    Durability(True).directories(reversed(named_by))
    return path


def _make_directory(path: bytes) -> None:
    try:
        os.mkdir(path)
    except FileExistsError:
        if os.path.islink(path) or not os.path.isdir(path) or os.path.lexists(path + b"/HEAD"):
            raise Refused("a new repository can't lie inside of another") from None


def _private_name(directory: bytes) -> bytes:
    return b"%b/%b%d-%d" % (directory, PRIVATE, os.getpid(), time.time_ns())


def _fill(
    path: bytes, name: bytes, owner: bytes, description: bytes | None, env: Environment, warn: Callable[[str], None]
) -> None:
    code = run(["git", "init", "--quiet", "--bare", path], env)
    if code != 0:
        raise ChildFailed(f"git init failed with exit code {code}")
    paths = locate(path)
    git = Git(paths.git_dir, env)
    try:
        parts = initialize(paths, git, read_config(git), description or name.removesuffix(b".git"), warn)
        close(parts, changed=True)
        if owner:
            set_config(git, OWNER, owner)
            set_config(git, EMPTY_SINCE, b"%d %b" % (time.time(), _refs(git)))
    finally:
        git.close()


def _flush(directory: bytes) -> None:
    """Flushes all that is in a directory. Raises OSError, DiskError."""
    durability = Durability(True)
    for place, _, names in os.walk(directory):
        for path in [b"%b/%b" % (place, name) for name in names]:
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    durability.file(file.fileno())
        durability.directories((place,))


def _refs(git: Git) -> bytes:
    """All of them, on one line."""
    return b",".join(git.output("for-each-ref", "--format=%(refname)=%(objectname)").split())


def hold(paths: GitPaths, config: Config) -> Lock | None:
    """Holds off the removal of a repository that is empty still, while something is under way in it; None if it is not.
    Raises WrongRepository if it has just gone."""
    if config.get(EMPTY_SINCE) is None:
        return None
    try:
        lock = FileLocks().try_shared(paths.git_dir + _LOCK)
    except OSError:
        lock = None
    if lock is None:
        raise WrongRepository("no such repository here")
    return lock


def note_filled(git: Git, config: Config) -> None:
    """It is not empty any more, if that is so. Raises ChildFailed."""
    _, _, refs = (config.get(EMPTY_SINCE) or b"").partition(b" ")
    if config.get(EMPTY_SINCE) is not None and _refs(git) != refs:
        unset_config(git, EMPTY_SINCE)


def remove_if_empty(path: bytes, env: Environment, age: float = _AGE) -> bool:
    """Removes a repository that was made by a push and has stayed empty for so many seconds; whether it did. Raises
    AnnexshellError, OSError."""
    paths = locate(path)
    if _MARK not in (read_file(paths.common_dir + b"/config") or b"").lower():
        return False  # as nearly always, for which no program need be started
    git = Git(paths.git_dir, env)
    config = read_config(git)
    since, _, refs = (config.get(EMPTY_SINCE) or b"").partition(b" ")
    if not since.isdigit() or time.time() - int(since) < age:
        return False
    lock = FileLocks().try_exclusive(paths.git_dir + _LOCK)
    if lock is None:
        return False
    with lock:
        if not _is_empty(paths, git, refs):
            unset_config(git, EMPTY_SINCE)
            return False
        directory, _, _ = path.rpartition(b"/")
        removed = _private_name(directory)
        os.rename(path, removed)
        moved = locate(removed)
        if not _is_empty(moved, Git(moved.git_dir, env), refs):  # by who had it open already
            os.rename(removed, path)
            return False
        shutil.rmtree(removed, ignore_errors=True)
    return True


def _is_empty(paths: GitPaths, git: Git, refs: bytes) -> bool:
    """Whether nothing was pushed, nor uploaded, nor begun."""
    if _refs(git) != refs or any(name.startswith(b"tmp_objdir") for name in os.listdir(paths.common_dir + b"/objects")):
        return False
    return not any(_has_files(paths.annex_dir + name) for name in (b"/objects", b"/tmp", b"/bad", b"/journal"))


def _has_files(directory: bytes) -> bool:
    return any(files for _, _, files in os.walk(directory))
