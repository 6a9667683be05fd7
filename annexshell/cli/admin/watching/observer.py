"""Looks at repositories and processes again and again."""

from __future__ import annotations

import os
import threading
import time

from annexshell.admin.summary import standing
from annexshell.cli.admin.owner import as_owner, is_mine
from annexshell.cli.admin.progress import LINE
from annexshell.cli.admin.report import warn
from annexshell.cli.admin.target import find
from annexshell.cli.admin.watching.processes import all_locks, look
from annexshell.cli.admin.watching.snapshot import Rates, concerns, of_process, of_repository
from annexshell.cli.context import child_environment
from annexshell.errors import AnnexshellError, BadUsage, NotARepository
from annexshell.git.paths import repositories_below
from annexshell.repo.local.opening import open_parts
from annexshell.repo.local.parts import nobody

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from annexshell.git.paths import GitPaths
    from annexshell.repo.local.parts import Parts, Tell

    Shown = dict[str, Any]

NODE_LIMIT = 10.0  # seconds for a node to answer
_PAUSE = 60.0  # seconds before repositories and nodes are asked again, and
_SHARE = 20  # how many times as long as asking them takes it is to the next time


class Observer:
    """Watches repositories; what can't be opened is left out. Nodes are asked unless it is `offline`, by the owner of
    the repository if root looks: it has the keys for them. Nothing is changed: not even what others have left in the
    journal is committed."""

    def __init__(self, directories: list[str], offline: bool) -> None:
        """Raises BadUsage if there is no repository."""
        self._told: Tell = nobody
        self._repositories = _opened(directories, self._tell)
        self._limit = None if offline else NODE_LIMIT
        self._rates = Rates()
        self._standings: dict[bytes, Shown] = {}
        self._next = 0.0  # monotonic seconds
        self._asking: threading.Thread | None = None

    def ask(self, tell: Tell = nobody) -> None:
        """Finds out how the repositories and their nodes are, and waits for that; `tell` is told how far that is."""
        began = time.monotonic()
        self._told = tell
        for number, parts in enumerate(self._repositories):
            tell("looking at repositories", number, len(self._repositories))
            try:
                self._standings[parts.paths.annex_dir] = self._standing(parts)
            except (AnnexshellError, OSError):
                continue  # what was known stands
            finally:
                parts.git.close()  # where there are many, a child for each of them is too much
        now = time.monotonic()
        self._next = now + max(_PAUSE, _SHARE * (now - began))

    def _tell(self, what: str, done: int, total: int | None) -> None:
        self._told(what, done, total)

    def _standing(self, parts: Parts) -> Shown:
        if is_mine(parts.paths):
            return standing(parts, self._limit)

        def ask() -> Shown:
            mine = open_parts(_place(parts.paths), child_environment(), warn, parts.use.tell, looks_only=True)
            return standing(mine, self._limit)

        found: Shown = as_owner(parts.paths, ask)
        return found

    def ask_beside(self) -> None:
        """The same without waiting, if it is time for it."""
        if self._asking is not None and self._asking.is_alive():
            return
        if time.monotonic() >= self._next:
            self._asking = threading.Thread(target=self.ask, daemon=True)
            self._asking.start()

    def look(self) -> Shown:
        """What is going on just now."""
        now = time.time()
        processes = look()
        places = [(parts.paths.annex_dir, os.path.realpath(parts.paths.top)) for parts in self._repositories]
        concerned = [of_process(running) for running in processes if concerns(running, places)]
        locks = all_locks(processes)
        repositories = [
            self._described(parts) | of_repository(parts, locks, self._rates) for parts in self._repositories
        ]
        self._rates.forget(now)
        names: dict[str, str] = {}
        for repository in repositories:
            names |= repository.pop("names")
        found = {"time": now, "repositories": repositories, "processes": concerned}
        _add_names(found, names)
        return found

    def _described(self, parts: Parts) -> Shown:
        known = self._standings.get(parts.paths.annex_dir) or {
            "uuid": os.fsdecode(parts.uuid),
            "description": None,
            "directory": os.fsdecode(parts.paths.top),
            "size": None,
            "maximum": None,
            "names": {},
            "clusters": [],
            "nodes": None,
        }
        return {**known, "present": os.path.isdir(parts.paths.git_dir)}


def _add_names(look: Shown, names: dict[str, str]) -> None:
    """Puts beside the uuids of clients what these repositories are called, None where nobody knows."""
    for repository in look["repositories"]:
        for transfer in repository["transfers"]:
            transfer["peer_name"] = names.get(transfer["peer"])
        for lock in repository["locks"]:
            lock["client_name"] = names.get(lock["client"])
    for process in look["processes"]:
        process["client_name"] = names.get(process["client"])


def _opened(directories: list[str], tell: Tell) -> list[Parts]:
    found = []
    paths = _paths(directories)
    for number, path in enumerate(paths, 1):
        LINE.show("opening repositories", number, len(paths))
        try:
            found.append(open_parts(path, child_environment(), warn, tell))
        except NotARepository:
            continue
        except (AnnexshellError, OSError) as error:
            warn(f"{os.fsdecode(path)} is left out: {error}")
    if not found:
        raise BadUsage(
            "there is no git-annex repository in or below this directory that this account can open; name another one"
        )
    return found


def _paths(directories: list[str]) -> list[bytes]:
    """Repositories: around or below the current directory, or else those that are named and those below them."""
    if not directories:
        try:
            return [_place(find({"--repo": None})[0])]
        except NotARepository:
            return repositories_below(os.getcwdb())
    found = []
    LINE.show("looking for repositories", 0)
    for name in directories:
        path = os.path.abspath(os.fsencode(name))
        if not os.path.isdir(path):
            raise BadUsage(f"{name} is not a directory")
        try:
            found.append(_place(find({"--repo": name})[0]))
        except NotARepository:
            found += repositories_below(path)
    return list(dict.fromkeys(found))


def _place(paths: GitPaths) -> bytes:
    return paths.work_tree or paths.git_dir
