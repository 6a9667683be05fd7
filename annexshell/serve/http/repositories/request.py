"""A Repository for one request, and how to call it without keeping others waiting."""

from __future__ import annotations

from annexshell.errors import NodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.green.tasks import Tasks
    from annexshell.repo.port import Repository
    from annexshell.serve.http.repositories.handle import Handle
    from annexshell.serve.http.repositories.pool import HandlePool
    from annexshell.serve.http.repositories.takeover import Takeovers

    Result = TypeVar("Result")

_PATIENCE = 600.0  # seconds for one operation: to flush a large object, or to wait for a hash on a node, takes a while


class RequestRepository:
    """`repository` belongs to the request until `close`, and is that of a handle from the pool or a node behind it. It
    is called in threads of `tasks`, unless it waits in greenlets by itself (`in_threads` is False)."""

    def __init__(
        self,
        repository: Repository,
        handle: Handle,
        pool: HandlePool,
        takeovers: Takeovers,
        tasks: Tasks,
        in_threads: bool = True,
    ) -> None:
        self.repository = repository
        self.uuid = repository.uuid
        self.is_own = repository.uuid == pool.uuid  # else it is a node's or cluster's
        self.settings = pool.settings
        self.warn = pool.warn
        self.takeovers = takeovers
        self._handle: Handle | None = handle
        self._pool = pool
        self._tasks = tasks
        self._in_threads = in_threads

    @property
    def is_thin(self) -> bool:
        """Whether objects may be the very files that users edit, as of when the request came."""
        return self._pool.parts.contents.is_thin

    def call(self, function: Callable[[], Result]) -> Result:
        """The result of an operation. Raises whatever that raises, and NodeError when a disk does not answer."""
        return self.offload(function) if self._in_threads else function()

    def offload(self, function: Callable[[], Result]) -> Result:
        """The result of a function that waits for a disk."""
        try:
            return self._tasks.offload(function, _PATIENCE)
        except TimeoutError:
            self._handle = None  # a thread is stuck in it
            raise NodeError("disk", f"it has not answered for {_PATIENCE:.0f} seconds") from None

    def changed(self) -> None:
        """Notes that objects may have come or gone, so that the location log is committed soon."""
        if self._handle is not None:
            self._handle.changed = True
            self._pool.commits.note_change()

    def close(self) -> None:
        """Gives the handle back for the next request. May be called twice."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._pool.give_back(handle)
