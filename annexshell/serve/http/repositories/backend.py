"""A Repository for one request, and how to call it without keeping others waiting."""

from __future__ import annotations

from annexshell.errors import NodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.repo.port import Repository
    from annexshell.serve.http.repositories.handle import Handle, Home

    Result = TypeVar("Result")

_PATIENCE = 600.0  # seconds for one operation: to flush a large object, or to wait for a hash on a node, takes a while


class Backend:
    """`repository` belongs to the request until `close`. `in_threads` is False for one that waits in greenlets by
    itself."""

    def __init__(self, served: Home, opened: Handle, repository: Repository, in_threads: bool) -> None:
        self.served = served
        self.uuid = repository.uuid
        self.repository = repository
        self.is_own = repository.uuid == served.uuid
        self._opened: Handle | None = opened
        self._in_threads = in_threads
        self._tasks = served.disk_tasks if self.is_own else served.node_tasks(self.uuid)

    def call(self, function: Callable[[], Result]) -> Result:
        """The result of an operation. Raises whatever that raises, and NodeError when a disk does not answer."""
        return self.offload(function) if self._in_threads else function()

    def offload(self, function: Callable[[], Result]) -> Result:
        """The result of a function that waits for a disk."""
        try:
            return self._tasks.offload(function, _PATIENCE)
        except TimeoutError:
            self._opened = None  # a thread is stuck in it
            raise NodeError("disk", f"it has not answered for {_PATIENCE:.0f} seconds") from None

    def changed(self) -> None:
        """Notes that objects may have come or gone, so that the location log is committed soon."""
        if self._opened is not None:
            self.served.touch(self._opened)

    def close(self) -> None:
        """Gives the repository back for the next request. May be called twice."""
        opened, self._opened = self._opened, None
        if opened is not None:
            self.served.give_back(opened)
