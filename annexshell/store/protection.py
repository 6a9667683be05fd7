"""Write protection of objects and of the directories that hold them, with the owner's hooks around it.

Upstream: Annex/Perms.hs, Annex/Content.hs. Hooks are executable files in the hooks directory or else shell commands
from the git config, both written by the owner of the repository.
"""

from __future__ import annotations

import os

from annexshell.disk.spawn import run, shell_quoted
from annexshell.errors import ChildFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.disk.perms import Perms
    from annexshell.disk.spawn import Environment

    Result = TypeVar("Result")

_ATTEMPTS = 20  # others freeze a directory at any moment; each attempt thaws it again


class ContentHooks:
    """The hooks of one repository: an executable file wins over a command of the same purpose. `env` gives the
    environment in which one is run now, which depends on what we have locked."""

    def __init__(
        self, hooks_dir: bytes, directory: bytes, env: Callable[[], Environment], commands: dict[str, bytes | None]
    ) -> None:
        self._directory = directory
        self._env = env
        self._argv: dict[str, list[bytes]] = {}
        for name, placeholder in (("freezecontent", b"%path"), ("thawcontent", b"%path"), ("secure-erase", b"%file")):
            file = b"%b/%b-annex" % (hooks_dir, name.encode())
            command = commands.get(name)
            if os.access(file, os.X_OK):
                self._argv[name] = [file]
            elif command:
                self._argv[name] = [b"sh", b"-c", command, placeholder]

    def has(self, name: str) -> bool:
        return name in self._argv

    def run(self, name: str, path: bytes) -> None:
        """Runs a hook on a path, if there is one. Raises ChildFailed when it fails."""
        argv = self._argv.get(name)
        if argv is None:
            return
        program, *shell = argv
        args = [b"-c", shell[1].replace(shell[2], shell_quoted(path))] if shell else [path]
        code = run([program, *args], self._env(), self._directory)
        if code != 0:
            raise ChildFailed(f"the {name} hook failed with exit code {code}")


class Protection:
    """Freezes and thaws an object and its directory. A failing hook is only a warning: it must not keep objects from
    being stored, locked or removed."""

    def __init__(self, perms: Perms, hooks: ContentHooks, warn: Callable[[str], None]) -> None:
        self._perms = perms
        self._hooks = hooks
        self._warn = warn

    def thaw_directory(self, directory: bytes) -> None:
        """Raises FileNotFoundError when there is no such directory."""
        self._run("thawcontent", directory)
        self._perms.thaw_directory(directory)

    def freeze_directory(self, directory: bytes) -> None:
        """A directory that is gone meanwhile needs no protection."""
        try:
            self._perms.freeze_directory(directory)
            self._run("freezecontent", directory)
        except FileNotFoundError:
            pass

    def freeze_object(self, path: bytes, mode: int | None = None) -> None:
        """`mode` is the present one, if it is known."""
        self._perms.freeze_object(path, mode)
        self._run("freezecontent", path)

    def thaw_object(self, path: bytes) -> None:
        self._run("thawcontent", path)
        self._perms.thaw_object(path)

    def erase(self, path: bytes) -> bool:
        """Overwrites a file before it is deleted, if the owner has a hook for that; returns whether there is one.
        Raises ChildFailed."""
        self._run("thawcontent", path)
        self._hooks.run("secure-erase", path)
        return self._hooks.has("secure-erase")

    def eraser(self) -> Callable[[bytes], object] | None:
        """What erases a file, if the owner has a hook for that."""
        return self.erase if self._hooks.has("secure-erase") else None

    def _run(self, name: str, path: bytes) -> None:
        try:
            self._hooks.run(name, path)
        except ChildFailed as error:
            self._warn(str(error))

    def thawed(self, directory: bytes, action: Callable[[], Result], is_thawed: bool = False) -> Result:
        """The result of `action`, which needs a writable directory, tried again while others freeze it. Whoever expects
        that it `is_thawed` already saves a look at it."""
        is_thawed = (is_thawed or not self._perms.keeps_us_out) and not self._hooks.has("thawcontent")
        for _ in range(_ATTEMPTS):
            if not is_thawed:
                self.thaw_directory(directory)
            is_thawed = False
            try:
                return action()
            except PermissionError:
                continue
        self.thaw_directory(directory)
        return action()

    def unlink(self, path: bytes) -> None:
        """Deletes a file from a directory that others may be freezing; a missing one is no error."""
        try:
            self.thawed(os.path.dirname(path), lambda: os.unlink(path), is_thawed=True)
        except FileNotFoundError:
            pass
