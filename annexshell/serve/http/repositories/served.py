"""One repository that is served: opened several times, since each opened one is for one request at a time."""

from __future__ import annotations

import os
import time
from collections import OrderedDict, deque

from annexshell.errors import AnnexshellError, NotARepository, WrongRepository
from annexshell.model.ids import is_cluster_uuid
from annexshell.repo.local.expiry import expire_partials
from annexshell.repo.local.leases import Leases
from annexshell.repo.local.opening import local_repository, open_parts
from annexshell.repo.local.quota import LimitedRepository, Quota
from annexshell.repo.local.running import transfers
from annexshell.serve.http.repositories.backend import Backend
from annexshell.serve.http.repositories.handle import Handle
from annexshell.serve.http.repositories.locktable import LockTable
from annexshell.serve.http.repositories.takeover import Takeovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from annexshell.green.tasks import Tasks
    from annexshell.model.key import Key
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.local.repository import LocalRepository
    from annexshell.repo.port import Repository
    from annexshell.serve.http.repositories.settings import ServerSettings

    Place = tuple[object, ...]
    Result = TypeVar("Result")

_COMMIT_DELAY = 1.0  # seconds of quiet before the location log is committed
_COMMIT_PAUSE = 60.0  # seconds until it is tried again where that did not work
_COMMIT_LIMIT = 3.5  # seconds after which it is committed whatever is going on
_PROXY_SETTINGS = (".annex-proxy", ".annex-cluster-node", ".annex-cluster-gateway")
_OPENERS = 8  # threads that open one repository at once
_IDLE_LIMIT = 60.0  # seconds after which a repository that nobody used is closed


class Served:
    """A repository at a path. Raises NotARepository when it is gone or has become another one."""

    def __init__(self, path: bytes, settings: ServerSettings) -> None:
        self.path = path
        self.tasks = settings.tasks
        self.disk_tasks = settings.disk_tasks
        self.sendfile = settings.sendfile
        self._settings = settings
        self._node_tasks: dict[bytes, Tasks] = {}
        self._idle: dict[Place, deque[Handle]] = {}
        self._idle_nodes: OrderedDict[Handle, None] = OrderedDict()  # those with connections to nodes, oldest first
        self._openers = self.tasks.some(_OPENERS)
        self._reader = self._open_soon()
        self.uuid = self._reader.parts.uuid
        self.takeovers = Takeovers(self._reader.parts, settings.uploads)
        self._quota: Quota | None = None
        limits = settings.limits
        if limits.size is not None or limits.user_size is not None:
            self._quota = Quota(self._reader.parts, limits.size, limits.user_size)
        self._tending = False
        self._changed_since = 0.0  # monotonic seconds; 0 if nothing has changed
        self._last_change = 0.0
        self._next_commit = 0.0
        self._is_failing = False  # the last commit did, which has been said
        self.leases = Leases(self._reader.parts, limits.locked_files, limits.client_locks)
        self.locks = LockTable(
            self.uuid, self.leases, self.tasks, self.warn, self.looking, lambda uuid: self.backend(uuid, b"", [])
        )

        if self.tasks.offload(self._is_left):
            self._changed_since = time.monotonic()  # by a process that was killed before it committed

    def _is_left(self) -> bool:
        """Whether something is to be recorded or committed already."""
        parts = self._reader.parts
        return bool(parts.journal.names()) or os.path.exists(parts.annex.layout.unrecorded)

    def warn(self, text: str) -> None:
        self._settings.warn(f"{os.fsdecode(self.path)}: {text}")

    def _open(self) -> Handle:
        """Opens it once more. Takes a few milliseconds. Raises NotARepository, ChildFailed."""
        parts = open_parts(self.path, self._settings.variables, self.warn, may_commit=self._may_commit)
        parts.contents.objects.allow_glances()
        return Handle(parts)

    def _open_soon(self) -> Handle:
        """The same in a thread, when it is its turn: each starts programs of git's, and any number of clients may ask
        for it at once."""
        return self._openers.offload(self._open)

    def _current(self) -> Handle:
        """What was opened with the git config as it is now. Raises NotARepository."""
        try:
            identity = self._reader.parts.git_config.identity()
        except OSError as error:
            raise NotARepository(f"the repository can't be read: {error.strerror}") from None
        if identity != self._reader.identity:
            fresh = self._open_soon()
            if fresh.parts.uuid != self.uuid:
                raise NotARepository("another repository has taken its place")
            self._reader = fresh
        return self._reader

    def is_there(self) -> bool:
        """Whether it can still be served."""
        try:
            self._current()
        except AnnexshellError as error:
            self.warn(str(error))
            return False
        return True

    def node_tasks(self, uuid: bytes) -> Tasks:
        """The tasks for a node or cluster. Each has its own, so that one that hangs hinders no other."""
        if uuid not in self._node_tasks:
            self._node_tasks[uuid] = self._settings.node_tasks()
        return self._node_tasks[uuid]

    def inspect(self, function: Callable[[Parts], Result]) -> Result:
        """The result of a function that looks at the repository, opened for that alone, and may wait for nodes. It is
        called in a thread."""

        def look() -> Result:
            opened = self._open()
            try:
                return function(opened.parts)
            finally:
                opened.close()

        return self.node_tasks(b"").offload(look)

    def transfers(self) -> list[dict[str, Any]]:
        """The transfers in the repository itself, of all programs. Looks at the disk."""
        return [dict(transfer) for transfer in transfers(self._reader.parts)]

    @property
    def is_thin(self) -> bool:
        """Whether more than a look at a file is needed to know if a key is present; as of the last `is_there`."""
        return self._reader.parts.contents.is_thin

    def knows(self, uuid: bytes, key: Key) -> bool | None:
        """Right after `is_there`, whether the repository with a uuid has a key; None where that can't be said without
        waiting for a disk. To hand each question to a thread would take ten times as long."""
        try:
            return self._reader.parts.contents.objects.glance(key) if uuid == self.uuid else None
        except BlockingIOError:
            return None

    def looking(self, client: bytes) -> LocalRepository:
        """For operations that only look, right after `is_there`, and do not let go of the processor meanwhile."""
        return local_repository(self._reader.parts, client)

    def backend(self, uuid: bytes, client: bytes, bypass: list[bytes], user: bytes = b"") -> Backend:
        """The backend for a request with a uuid: the repository, or a node or cluster behind it. Raises
        WrongRepository, NotARepository."""
        if uuid == self.uuid:
            opened = self._take(())
            local = local_repository(opened.parts, client)
            repository: Repository = local
            if self._quota is not None:
                repository = LimitedRepository(local, opened.parts, self._quota, opened.sizes, user)
            return Backend(self, opened, repository, in_threads=True)
        is_cluster = is_cluster_uuid(uuid)
        opened = self._take((uuid, *bypass))
        if opened.node is None:
            opened.node = self._connect(opened.gateway(), uuid, bypass, is_cluster)
        return Backend(self, opened, opened.node, in_threads=not is_cluster)

    def _connect(self, gateway: Gateway, uuid: bytes, bypass: list[bytes], is_cluster: bool) -> Repository:
        from annexshell.repo.gateway.gateway import open_cluster, open_node

        waiting = self._settings.waiting
        node: Repository = (
            open_cluster(gateway, uuid, waiting, self.node_tasks(uuid))
            if is_cluster
            else open_node(gateway, uuid, waiting)
        )
        if bypass:
            node.bypass(bypass)
        return node

    def _take(self, place: Place) -> Handle:
        """An opened repository, to be given back. Raises NotARepository."""
        identity = self._current().identity
        idle = self._idle.get(place)
        while idle:
            opened = idle.pop()
            self._idle_nodes.pop(opened, None)
            if opened.identity == identity:
                return opened
            self._discard(opened)
        opened = self._open_soon()
        opened.place = place
        return opened

    def give_back(self, opened: Handle) -> None:
        opened.used = time.monotonic()
        self._idle.setdefault(opened.place, deque()).append(opened)
        if opened.place:
            self._idle_nodes[opened] = None
            if len(self._idle_nodes) > self._settings.limits.nodes:
                oldest = next(iter(self._idle_nodes))
                self._discard(self._drop_oldest(self._idle[oldest.place]))

    def _drop_oldest(self, idle: deque[Handle]) -> Handle:
        opened = idle.popleft()
        self._idle_nodes.pop(opened, None)
        return opened

    def _discard(self, opened: Handle) -> None:
        """Closes an opened repository that is no longer needed."""
        self.tasks.spawn(lambda: self._finish(opened.close))

    def touch(self, opened: Handle) -> None:
        """Notes that objects have come or gone: the location log is to be committed soon."""
        opened.changed = True
        self._last_change = time.monotonic()
        self._changed_since = self._changed_since or self._last_change

    def proxies(self, uuid: bytes) -> bool:
        """Whether requests for another uuid belong here."""
        if not any(name.endswith(_PROXY_SETTINGS) for name in self._current().parts.config.names("remote.")):
            return False
        opened = self._take(())
        try:
            self.tasks.offload(lambda: opened.gateway().configuration.check(uuid))
        except WrongRepository:
            return False
        finally:
            self.give_back(opened)
        return True

    def expire_partials(self, age: float) -> bool:
        """Deletes some partial files that nobody has touched for `age` seconds; whether there may be more. Raises
        AnnexshellError, OSError."""
        opened = self._take(())
        try:
            return self.tasks.offload(lambda: expire_partials(opened.parts, age))
        finally:
            self.give_back(opened)

    def tend(self) -> None:
        """Call this every now and then: it does what is due, beside the caller."""
        self.takeovers.tend()
        if not self._tending:
            self._tending = True
            self.tasks.spawn(self._tend)

    def _tend(self) -> None:
        try:
            self._do_what_is_due()
        except (AnnexshellError, OSError) as error:
            self.warn(str(error))
        finally:
            self._tending = False

    def _do_what_is_due(self) -> None:
        """Commits, and closes what has been idle for long."""
        now = time.monotonic()
        since = self._changed_since
        is_due = now - self._last_change >= _COMMIT_DELAY or now - since >= _COMMIT_LIMIT
        if since and is_due and self._may_commit():
            self.commit()
        for place, idle in list(self._idle.items()):
            while idle and now - idle[0].used > _IDLE_LIMIT:
                self._discard(self._drop_oldest(idle))
            if not idle:
                del self._idle[place]
        self.locks.tend()

    def commit(self) -> None:
        """Commits the location log, with what requests that are still running have recorded."""
        self._changed_since = 0.0
        changed = [opened for idle in self._idle.values() for opened in idle if opened.changed]
        for opened in changed:
            self._idle[opened.place].remove(opened)
            self._idle_nodes.pop(opened, None)
        if not changed:
            try:
                changed = [self._take(())]
            except AnnexshellError as error:
                self.warn(str(error))
                return
        for opened in changed:
            self._finish(opened.commit)
            self.give_back(opened)

    def _finish(self, how: Callable[[], None]) -> None:
        """Commits, in a thread. After a failure no commit is tried for a while, since it would fail for each opened
        repository in turn."""
        commits = self._may_commit()
        try:
            self.tasks.offload(how)
        except (AnnexshellError, OSError) as error:
            if not self._is_failing:
                self.warn(str(error))
            self._is_failing = True
            self._changed_since = self._changed_since or time.monotonic()
            self._next_commit = time.monotonic() + _COMMIT_PAUSE
        else:
            self._is_failing = self._is_failing and not commits

    def _may_commit(self) -> bool:
        return time.monotonic() >= self._next_commit

    def close(self) -> None:
        """Commits, leaves the locks to the next process and closes everything."""
        self.locks.close()
        if self._changed_since:
            self.commit()
        idle = [opened for opened_ones in self._idle.values() for opened in opened_ones]
        self._idle = {}
        self._idle_nodes.clear()
        self.tasks.each(lambda opened: self._finish(opened.close), [*idle, self._reader])
