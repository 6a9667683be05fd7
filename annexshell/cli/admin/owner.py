"""The owner of a repository: root acts as that account, since files that root wrote there would be in its way."""

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
    """The uid of the account that the repository belongs to. Raises OSError."""
    return os.stat(paths.common_dir).st_uid


def is_mine(paths: GitPaths) -> bool:
    return owner_of(paths) == os.geteuid()


def name_of(uid: int) -> str:
    """What an account is called, its number if it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def become_owner(paths: GitPaths) -> None:
    """Makes root the owner of the repository, for good; others stay who they are. Raises OSError."""
    if os.geteuid() != 0 or is_mine(paths):
        return
    if not all(map(_is_for_all, (annexshell.__file__, os.__file__))):
        _load_everything()  # as where root has installed us for itself
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
        if variable.startswith(("XDG_", "SSH_")):  # root's directories and keys
            del os.environ[variable]
    os.chdir(paths.common_dir)  # root may have been where the owner may not


def _is_for_all(path: str) -> bool:
    """Whether every account may read a file, as far as modes tell."""
    above = os.path.dirname(path)
    while above != "/":
        if not os.stat(above).st_mode & S_IXOTH:
            return False
        above = os.path.dirname(above)
    return bool(os.stat(path).st_mode & S_IROTH)


def _load_everything() -> None:
    """All modules that verbs import when they need them."""
    for module in pkgutil.walk_packages(annexshell.__path__, "annexshell."):
        if module.name.split(".")[1] not in ("serve", "green", "__main__"):
            try:
                import_module(module.name)
            except ImportError:  # what some modules need is not there
                continue


def as_owner(paths: GitPaths, ask: Callable[[], Any]) -> Any:
    """What `ask` returns, plain for JSON, when the owner of the repository calls it: root does so in a child process.
    Raises AnnexshellError with what it failed at, and OSError."""
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
    except BaseException:  # an interrupted person does not want to wait for it
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
    """The child: never returns."""
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
