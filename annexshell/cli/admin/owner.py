"""Root acts as the owner of a repository: the owner could not change files that root had written there."""

from __future__ import annotations

import json
import os
import pkgutil
import pwd
import signal
from importlib import import_module
from stat import S_IROTH, S_IXOTH

import annexshell
from annexshell.errors import AnnexshellError, InternalError, internal_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.git.paths import GitPaths

_PIECE = 1 << 16  # bytes


def owner_of(paths: GitPaths) -> int:
    """The uid of the account that owns the repository. Raises OSError."""
    return os.stat(paths.common_dir).st_uid


def is_mine(paths: GitPaths) -> bool:
    return owner_of(paths) == os.geteuid()


def name_of(uid: int) -> str:
    """The name of an account, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def become_owner(paths: GitPaths) -> None:
    """Turns root into the owner of the repository, for the rest of the process. Other accounts stay what they are.
    Raises OSError."""
    if os.geteuid() != 0 or is_mine(paths):
        return
    if not all(map(_is_for_all, (annexshell.__file__, os.__file__))):
        _load_everything()  # root may have installed us where the owner can't read
    info = os.stat(paths.common_dir)
    try:
        user = pwd.getpwuid(info.st_uid)
        name, group, home = user.pw_name, user.pw_gid, user.pw_dir
        os.setgroups(os.getgrouplist(name, group))
    except KeyError:
        name, group, home = str(info.st_uid), info.st_gid, "/"
        os.setgroups([group])
    os.setresgid(group, group, group)
    os.setresuid(info.st_uid, info.st_uid, info.st_uid)
    os.environ.update(HOME=home, USER=name, LOGNAME=name)
    for variable in list(os.environ):
        if variable.startswith(("XDG_", "SSH_")):  # they lead to root's directories and keys
            del os.environ[variable]
    os.chdir(paths.common_dir)  # the owner may not be allowed into root's current directory


def _is_for_all(path: str) -> bool:
    """Whether the modes let every account read a file."""
    above = os.path.dirname(path)
    while above != "/":
        if not os.stat(above).st_mode & S_IXOTH:
            return False
        above = os.path.dirname(above)
    return bool(os.stat(path).st_mode & S_IROTH)


def _load_everything() -> None:
    """Imports all modules now that verbs import later."""
    for module in pkgutil.walk_packages(annexshell.__path__, "annexshell."):
        if module.name.split(".")[1] not in ("serve", "green", "__main__"):
            try:
                import_module(module.name)
            except ImportError:  # a module for which a library is not installed
                continue


def as_owner(paths: GitPaths, ask: Callable[[], Any]) -> Any:
    """Calls `ask` as the owner of the repository, and returns its answer, which has to be plain for JSON. Root does so
    in a child process, and stays root. Raises AnnexshellError, OSError."""
    if os.geteuid() != 0 or is_mine(paths):
        return ask()
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(paths, ask, writable)
    os.close(writable)
    try:
        with open(readable, "rb") as file:
            answer = file.read()
    except BaseException:  # after ^C nobody wants to wait for the child
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.waitpid(pid, 0)
    if not answer:
        raise InternalError("the process that looked at the repository as its owner has ended without an answer")
    found, failure = json.loads(answer)
    if failure is not None:
        raise AnnexshellError(failure)
    return found


def _answer(paths: GitPaths, ask: Callable[[], Any], writable: int) -> None:
    """Runs in the child process and never returns."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        try:
            become_owner(paths)
            answer = [ask(), None]
        except (AnnexshellError, OSError) as error:
            answer = [None, str(error)]
        except Exception as error:
            answer = [None, str(internal_error(error))]
        left = memoryview(json.dumps(answer).encode())
        while left:
            left = left[os.write(writable, left[:_PIECE]) :]
    finally:
        os._exit(0)
