"""Repositories by the words of a url's path: the one place that says what a path leads to.

Each word has to be a directory below one of those that are served; the last may lack its `.git`, or have one too many.
A link counts where it leads to a repository, as in the search for repositories, but never inside of one: whoever may
push could make it. For the same reason, a work tree holds further repositories only where there is a `.git`, which git
checks out nowhere, and a git directory has none in the places of git's own.
"""

from __future__ import annotations

import os
from collections import OrderedDict

from annexshell.errors import NotARepository, doing
from annexshell.git.config import CurrentConfig, read_config
from annexshell.git.paths import leads_somewhere, locate
from annexshell.git.program import Git, trusts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from annexshell.disk.spawn import Environment
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.green.tasks import Tasks

    Words = Sequence[bytes]

_SUFFIX = b".git"
_MOST = 1000  # repositories whose configuration is remembered
_LONGEST_WORD = 255


class Place:
    """A repository. `path` is how rules name it, `is_trusted` whether git works in it, whoever owns it."""

    __slots__ = ("_current", "is_trusted", "path", "paths")

    def __init__(self, path: bytes, paths: GitPaths, env: Environment) -> None:
        """Raises ChildFailed, OSError."""
        git = Git(paths.git_dir, env)
        self.path = path
        self.paths = paths
        self._current = CurrentConfig(git, paths.common_dir, read_config(git))
        self.is_trusted = _is_ours(paths) or trusts(paths.work_tree or paths.git_dir, env)

    def refresh(self) -> None:
        """Reads what has changed. Raises ChildFailed, OSError."""
        self._current.now()

    @property
    def shown(self) -> str:
        """For messages to the administrator."""
        return os.fsdecode(self.path)

    @property
    def config(self) -> Config:
        return self._current.last

    @property
    def uuid(self) -> bytes:
        """Empty where git-annex has not been."""
        return self.config.get("annex.uuid") or b""


class Places:
    """Those below `directories`, or the repository `single` at the empty path, and those inside of it."""

    def __init__(self, directories: Sequence[bytes], single: bytes | None, env: Environment, tasks: Tasks) -> None:
        self._tops = directories if single is None else [single]
        self._single = single
        self._env = env
        self._tasks = tasks
        self._known: OrderedDict[bytes, Place] = OrderedDict()

    def candidates(self, words: Words) -> list[bytes]:
        """The paths that a repository of that name may have, the likeliest first. Looks at no disk."""
        if not words and self._single is not None:
            return [self._single]
        if not words:
            return []
        if any(len(word) > _LONGEST_WORD for word in words):
            return []
        *above, last = words
        names = [last, last + _SUFFIX]
        if last.endswith(_SUFFIX) and last != _SUFFIX:
            names.append(last[: -len(_SUFFIX)])
        return [b"/".join([top.rstrip(b"/"), *above, name]) for top in self._tops for name in names]

    def find(self, path: bytes) -> Place | None:
        """The repository at a path out of `candidates`. Raises ChildFailed, OSError."""
        place: Place | None = self._tasks.offload(lambda: self._find(path))
        return place

    def _find(self, path: bytes) -> Place | None:
        try:
            paths = self._locate(path)
        except (NotARepository, OSError):
            self._known.pop(path, None)
            return None
        with doing("reading the configuration of git"):
            return self._known_at(path, paths)

    def _known_at(self, path: bytes, paths: GitPaths) -> Place:
        known = self._known.get(path)
        if known is None or known.paths.git_dir != paths.git_dir:
            known = self._known[path] = Place(path, paths, self._env)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        else:
            known.refresh()
        return known

    def _locate(self, path: bytes) -> GitPaths:
        """Raises NotARepository, OSError."""
        if path == self._single:
            return locate(path)
        for top in self._tops if self._single is None else [os.path.dirname(self._single)]:
            prefix = top.rstrip(b"/") + b"/"
            if path.startswith(prefix) and leads_somewhere(prefix, path[len(prefix) :].split(b"/")):
                return locate(path, had_slash=True)
        raise NotARepository("there is nothing")


def _is_ours(paths: GitPaths) -> bool:
    """Whether git takes a repository for its own account's by itself."""
    places = [paths.git_dir, *([paths.work_tree] if paths.work_tree else [])]
    return all(os.stat(place).st_uid == os.geteuid() for place in places)
