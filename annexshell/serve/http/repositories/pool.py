"""The handles of one repository. A request has one to itself, and gives it back for the next: opening one starts
programs of git's, and those to nodes keep connections.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from annexshell.errors import NotARepository
from annexshell.repo.local.opening import open_parts
from annexshell.serve.http.repositories.handle import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.repo.local.parts import Parts
    from annexshell.serve.http.repositories.commits import CommitSchedule
    from annexshell.serve.http.repositories.handle import Route
    from annexshell.serve.http.repositories.settings import ServerSettings

_OPENERS = 8  # threads that open one repository at once
_IDLE_LIMIT = 60.0  # seconds after which a handle that nobody used is closed


class HandlePool:
    """The repository at a path. Raises NotARepository when it is gone or has become another one."""

    def __init__(
        self, path: bytes, settings: ServerSettings, commits: CommitSchedule, warn: Callable[[str], None]
    ) -> None:
        self._path = path
        self.settings = settings
        self.commits = commits
        self.warn = warn
        self._idle: dict[Route, deque[Handle]] = {}
        self._idle_nodes: OrderedDict[Handle, None] = OrderedDict()  # those with connections to nodes, oldest first
        self._openers = settings.tasks.some(_OPENERS)
        self._reader = self._open_soon(())
        self.uuid = self._reader.parts.uuid

    @property
    def parts(self) -> Parts:
        """The repository as of the last `check`, for what only looks. No request changes it."""
        return self._reader.parts

    def open(self, route: Route = ()) -> Handle:
        """A handle that is not the pool's. Takes a few milliseconds. Raises NotARepository, ChildFailed."""
        parts = open_parts(self._path, self.settings.variables, self.warn, may_commit=self.commits.may_commit)
        parts.contents.objects.allow_glances()
        return Handle(parts, route)

    def _open_soon(self, route: Route) -> Handle:
        """The same in a thread, when it is its turn: each starts programs of git's, and any number of clients may ask
        for it at once."""
        return self._openers.offload(lambda: self.open(route))

    def check(self) -> Parts:
        """The repository with the git config as it is now. Raises NotARepository."""
        try:
            identity = self._reader.parts.git_config.identity()
        except OSError as error:
            raise NotARepository(f"the repository can't be read: {error.strerror}") from None
        if identity != self._reader.identity:
            fresh = self._open_soon(())
            if fresh.parts.uuid != self.uuid:
                raise NotARepository("another repository has taken its place")
            self._reader = fresh
        return self._reader.parts

    def take(self, route: Route = ()) -> Handle:
        """A handle, to be given back. Raises NotARepository, ChildFailed."""
        self.check()
        identity = self._reader.identity
        idle = self._idle.get(route)
        while idle:
            handle = idle.pop()
            self._idle_nodes.pop(handle, None)
            if handle.identity == identity:
                return handle
            self._discard(handle)
        return self._open_soon(route)

    def give_back(self, handle: Handle) -> None:
        handle.used = time.monotonic()
        self._idle.setdefault(handle.route, deque()).append(handle)
        if handle.route:
            self._idle_nodes[handle] = None
            if len(self._idle_nodes) > self.settings.limits.nodes:
                oldest = next(iter(self._idle_nodes))
                self._discard(self._drop_oldest(self._idle[oldest.route]))

    def _drop_oldest(self, idle: deque[Handle]) -> Handle:
        handle = idle.popleft()
        self._idle_nodes.pop(handle, None)
        return handle

    def _discard(self, handle: Handle) -> None:
        """Closes a handle that is no longer needed."""
        self.settings.tasks.spawn(lambda: self.commits.run(handle.close))

    def take_changed(self) -> list[Handle]:
        """All idle handles by which something was changed, to be given back."""
        changed = [handle for idle in self._idle.values() for handle in idle if handle.changed]
        for handle in changed:
            self._idle[handle.route].remove(handle)
            self._idle_nodes.pop(handle, None)
        return changed

    def close_idle(self) -> None:
        """Closes handles that nobody has used for a while."""
        now = time.monotonic()
        for route, idle in list(self._idle.items()):
            while idle and now - idle[0].used > _IDLE_LIMIT:
                self._discard(self._drop_oldest(idle))
            if not idle:
                del self._idle[route]

    def close(self) -> None:
        """Closes all that nobody uses."""
        idle = [handle for handles in self._idle.values() for handle in handles]
        self._idle = {}
        self._idle_nodes.clear()
        self.settings.tasks.each(lambda handle: self.commits.run(handle.close), [*idle, self._reader])
