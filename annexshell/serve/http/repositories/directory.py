"""The repositories that a server serves, by uuid: those that were named, and those found below directories."""

from __future__ import annotations

import os
import time
from collections import OrderedDict

from annexshell.errors import AnnexshellError, WrongRepository
from annexshell.git.paths import repositories_below
from annexshell.serve.http.repositories.served import ServedRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from annexshell.serve.http.repositories.settings import ServerSettings

_PAUSE = 1.0  # least seconds between two searches, and
_SHARE = 10  # how many times as long as a search takes it is to the next
_MAX_PROXIED = 10000


class Repositories:
    """`paths` are repositories, `directories` hold some, at any depth."""

    def __init__(self, paths: Sequence[bytes], directories: Sequence[bytes], settings: ServerSettings) -> None:
        self._paths = paths
        self.directories = directories
        self._settings = settings
        self._visited: dict[bytes, None] = {}  # those that the search does not find
        self._by_path: dict[bytes, ServedRepository] = {}
        self._own: dict[bytes, ServedRepository] = {}
        self._proxied: OrderedDict[bytes, ServedRepository] = OrderedDict()
        self._searching = False
        self.has_searched = False
        self._found = settings.tasks.news()
        self._next_search = 0.0  # monotonic seconds

    @property
    def all(self) -> list[ServedRepository]:
        return list(self._by_path.values())

    def find(self, uuid: bytes) -> ServedRepository:
        """The repository with a uuid, or the one that proxies for it. Raises WrongRepository, NotARepository."""
        served = self._own.get(uuid) or self._proxied.get(uuid)
        if served is not None and not served.is_there():
            self._forget(served.path)
            served = None
        if served is None:
            self.search()
            served = self._own.get(uuid) or self._find_proxy(uuid)
        return served

    def uuid_at(self, path: bytes) -> bytes:
        """The uuid of the repository at a path, as far as it has been found; else empty. Looks at no disk."""
        served = self._by_path.get(path)
        return b"" if served is None else served.uuid

    def at(self, path: bytes) -> ServedRepository | None:
        """The repository of git-annex at a path that is known to be one of git's; None if another one has its uuid.
        Raises NotARepository, ChildFailed."""
        served = self._by_path.get(path)
        if served is not None and not served.is_there():
            self._forget(path)
            served = None
        if served is None:
            self._visited[path] = None
            self._add(ServedRepository(path, self._settings))
        return self._by_path.get(path)

    def _find_proxy(self, uuid: bytes) -> ServedRepository:
        for served in self.all:
            try:
                if served.proxies(uuid):
                    self._proxied[uuid] = served
                    if len(self._proxied) > _MAX_PROXIED:
                        self._proxied.popitem(last=False)
                    return served
            except AnnexshellError as error:
                served.warn(str(error))
        raise WrongRepository("no such repository here")

    def search(self) -> None:
        """Searches the directories again, unless that was done just now. Requests that come during a search wait for
        it.
        """
        if self._searching:
            self._found.wait()
            return
        if time.monotonic() < self._next_search:
            return
        self._searching = True
        began = time.monotonic()
        try:
            self._update(self._settings.tasks.offload(self._look))
        finally:
            now = time.monotonic()
            self._next_search = now + max(_PAUSE, _SHARE * (now - began))
            self._searching = False
            self.has_searched = True
            self._found.tell()

    def _look(self) -> list[bytes]:
        found = [*self._paths, *(path for directory in self.directories for path in repositories_below(directory))]
        return list(dict.fromkeys([*found, *filter(os.path.isdir, self._visited)]))

    def _update(self, paths: list[bytes]) -> None:
        present = set(paths)
        for path in [path for path in self._by_path if path not in present]:
            self._forget(path)
        for path in paths:
            if path not in self._by_path:
                try:
                    self._add(ServedRepository(path, self._settings))
                except (AnnexshellError, OSError) as error:
                    if path in self._paths:
                        self._settings.warn(f"{os.fsdecode(path)}: {error}")

    def _add(self, served: ServedRepository) -> None:
        if not served.uuid or served.uuid in self._own:
            return
        self._by_path[served.path] = served
        self._own[served.uuid] = served

    def _forget(self, path: bytes) -> None:
        served = self._by_path.pop(path)
        if self._own.get(served.uuid) is served:
            del self._own[served.uuid]
        for uuid in [uuid for uuid, other in self._proxied.items() if other is served]:
            del self._proxied[uuid]
        self._settings.tasks.spawn(served.close)

    def tend(self) -> None:
        """Call this every now and then."""
        for served in self.all:
            served.tend()

    def close(self) -> None:
        every, self._by_path = list(self._by_path.values()), {}
        self._settings.tasks.each(lambda served: served.close(), every)
