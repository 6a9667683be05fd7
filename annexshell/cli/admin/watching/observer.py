"""Looks at repositories and processes again and again."""

from __future__ import annotations

import os
import threading
import time

from annexshell.admin.summary import summary
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
    from annexshell.admin.shown import Summary
    from annexshell.cli.admin.watching.processes import HeldLock
    from annexshell.cli.admin.watching.shown import Look, WatchedRepository
    from annexshell.git.paths import GitPaths
    from annexshell.repo.local.parts import Parts, Tell


NODE_LIMIT = 10.0  # seconds for a node to answer
_PAUSE = 60.0  # seconds, at least, between two times of asking repositories and nodes;
_SHARE = 20  # and at least this many times as long as asking took


class Observer:
    """Watches repositories, and leaves out those that can't be opened. Nodes are asked unless it is `offline`; for
    root, the owner of the repository asks them, since the owner has the keys. Nothing is changed: even a journal that
    others left is not committed."""

    def __init__(self, directories: list[str], offline: bool) -> None:
        """Raises BadUsage if there is no repository."""
        self._told: Tell = nobody
        self._repositories = _opened(directories, self._tell)
        self._limit = None if offline else NODE_LIMIT
        self._rates = Rates()
        self._summaries: dict[bytes, Summary] = {}
        self._next = 0.0  # monotonic seconds
        self._asking: threading.Thread | None = None

    def ask(self, tell: Tell = nobody) -> None:
        """Asks repositories and nodes for their state, and waits for the answers. `tell` is told about the progress."""
        began = time.monotonic()
        self._told = tell
        for number, parts in enumerate(self._repositories):
            tell("looking at repositories", number, len(self._repositories))
            try:
                self._summaries[parts.paths.annex_dir] = self._summary(parts)
            except (AnnexshellError, OSError):
                continue  # keep what was known before
            finally:
                parts.git.close()  # with many repositories, a git process for each would be too much
        now = time.monotonic()
        self._next = now + max(_PAUSE, _SHARE * (now - began))

    def _tell(self, what: str, done: int, total: int | None) -> None:
        self._told(what, done, total)

    def _summary(self, parts: Parts) -> Summary:
        if is_mine(parts.paths):
            return summary(parts, self._limit)

        def ask() -> Summary:
            mine = open_parts(_place(parts.paths), child_environment(), warn, parts.use.tell, looks_only=True)
            return summary(mine, self._limit)

        found: Summary = as_owner(parts.paths, ask)
        return found

    def ask_beside(self) -> None:
        """Asks in a thread of its own, if it is time to ask again."""
        if self._asking is not None and self._asking.is_alive():
            return
        if time.monotonic() >= self._next:
            self._asking = threading.Thread(target=self.ask, daemon=True)
            self._asking.start()

    def look(self) -> Look:
        """Looks at what is going on now."""
        now = time.time()
        processes = look()
        places = [(parts.paths.annex_dir, os.path.realpath(parts.paths.top)) for parts in self._repositories]
        concerned = [of_process(running) for running in processes if concerns(running, places)]
        locks = all_locks(processes)
        repositories = [self._watched(parts, locks) for parts in self._repositories]
        self._rates.forget(now)
        names: dict[str, str] = {}
        for known in self._summaries.values():
            names |= known["names"]
        found: Look = {"time": now, "repositories": repositories, "processes": concerned}
        _add_names(found, names)
        return found

    def _watched(self, parts: Parts, all_locks: list[HeldLock]) -> WatchedRepository:
        transfers, locks = of_repository(parts, all_locks, self._rates)
        known = self._summaries.get(parts.paths.annex_dir)
        return {
            "uuid": os.fsdecode(parts.uuid) if known is None else known["uuid"],
            "description": None if known is None else known["description"],
            "directory": os.fsdecode(parts.paths.top) if known is None else known["directory"],
            "size": None if known is None else known["size"],
            "maximum": None if known is None else known["maximum"],
            "clusters": [] if known is None else known["clusters"],
            "nodes": None if known is None else known["nodes"],
            "present": os.path.isdir(parts.paths.git_dir),
            "transfers": transfers,
            "locks": locks,
        }


def _add_names(look: Look, names: dict[str, str]) -> None:
    """Adds the names of clients' repositories beside their uuids; None where unknown."""
    for repository in look["repositories"]:
        for transfer in repository["transfers"]:
            transfer["peer_name"] = names.get(transfer["peer"])
        for lock in repository["locks"]:
            lock["client_name"] = names.get(lock["client"] or "")
    for process in look["processes"]:
        process["client_name"] = names.get(process["client"] or "")


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
    """The repositories that directories name or have below them; without any, those around or below the current one."""
    if not directories:
        try:
            return [_place(find(None)[0])]
        except NotARepository:
            return repositories_below(os.getcwdb())
    found = []
    LINE.show("looking for repositories", 0)
    for name in directories:
        path = os.path.abspath(os.fsencode(name))
        if not os.path.isdir(path):
            raise BadUsage(f"{name} is not a directory")
        try:
            found.append(_place(find(name)[0]))
        except NotARepository:
            found += repositories_below(path)
    return list(dict.fromkeys(found))


def _place(paths: GitPaths) -> bytes:
    return paths.work_tree or paths.git_dir
