"""One participant of a cluster, as the cluster sees it: whatever it does wrong comes back as a value."""

from __future__ import annotations

import time
from _thread import allocate_lock
from contextlib import suppress

from annexshell.errors import AnnexshellError, DiskError, NodeError, NodeRefused, disk_error
from annexshell.model.ids import is_cluster_uuid
from annexshell.model.remote import LOCAL
from annexshell.net.patience import storing
from annexshell.repo.gateway.silence import SLOW
from annexshell.repo.local.repository import SMALL, LocalRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol, TypeVar

    from annexshell.model.key import Key
    from annexshell.model.remote import Remote
    from annexshell.relay import fanout
    from annexshell.repo.gateway.silence import Silence
    from annexshell.repo.port import AlreadyHave, Reading, Repository, Writing

    Item = TypeVar("Item")
    Result = TypeVar("Result")

    class NodeTasks(fanout.FanOutTasks, Protocol):
        """What is needed to talk to several nodes at once; see green.tasks."""

        def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]: ...

        def offload(self, function: Callable[[], Result], limit: float | None = None) -> Result: ...


_PATIENCE = 300.0  # seconds for one operation on a node's disk; flushing a large object takes a while
_SOON = 30.0  # seconds for one that needs no long work, with which others may be kept waiting
_CLOCK_AGE = 10.0  # seconds after which a node's clock is asked for again: it may have started anew


class Member:
    """A node, or another gateway of the cluster. `connect` is called on first use; `vouched` returns those of the
    repositories named in its answers that it can speak for."""

    def __init__(
        self,
        remote: Remote,
        cost: float,
        connect: Callable[[], Repository],
        vouched: Callable[[list[bytes]], list[bytes]],
        tasks: NodeTasks,
        silence: Silence,
        clock: Callable[[], int],
        warn: Callable[[AnnexshellError, str], None],
    ) -> None:
        self.remote = remote
        self.uuid = remote.uuid
        self.name = remote.name
        self.cost = cost
        self.vouched = vouched
        self._connect = connect
        self._tasks = tasks
        self._silence = silence
        self._clock = clock
        self._warn = warn
        self._repository: Repository | None = None
        self._turn = allocate_lock()
        self._clock_ahead = 0  # seconds that its clock was ahead of ours, when compared at
        self._compared = 0.0  # monotonic seconds
        self._place = remote.proxied_by or remote.uuid  # the uuid at the other end of the connection
        self._was_silent = False

    @property
    def is_local(self) -> bool:
        """Whether it is a repository on this machine, whose disk we wait for ourselves."""
        return self.remote.kind == LOCAL

    def run(self, function: Callable[[], Result], limit: float = _PATIENCE) -> Result:
        """Does something on the node. Disks and locks are waited for in a thread, for up to `limit` seconds. Raises
        AnnexshellError."""
        try:
            return function() if not self.is_local else self._tasks.offload(lambda: self._alone(function), limit)
        except TimeoutError:
            self._repository = None  # a thread is stuck in it
            raise NodeError(self.name, f"its disk has not answered for {limit:.0f} seconds") from None
        except OSError as error:
            raise NodeError(self.name, str(disk_error(error, "an operation"))) from None
        except DiskError as error:
            raise type(error)(f"{self.name}: {error}") from None

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing | AnnexshellError:
        """Like Repository.put."""
        return self.attempt(lambda node: node.put(key, file))

    def _alone(self, function: Callable[[], Result]) -> Result:
        # A thread that was given up because the disk does not answer may still be writing: its file must not be closed
        # meanwhile, nor its lock given up.
        with self._turn:
            return function()

    def attempt(self, function: Callable[[Repository], Result], limit: float = _SOON) -> Result | AnnexshellError:
        """The result of a function of the repository, or the error that it raised."""

        def whole() -> Result:
            if self._repository is None:
                self._repository = self._connect()
                if isinstance(self._repository, LocalRepository):
                    self._repository.objects.allow_glances()
            return function(self._repository)

        began = time.monotonic()
        try:
            result = self.run(whole, limit)
        except AnnexshellError as error:
            self.failed(error, time.monotonic() - began)
            return error
        if self._was_silent:
            self._was_silent = False
            self._silence.forget(self._place)
        return result

    def present(self, key: Key) -> bool | AnnexshellError:
        """Like Repository.present. What is known without waiting for a disk is not left to a thread, which would take
        ten times as long."""
        repository = self._repository
        if isinstance(repository, LocalRepository):
            try:
                return repository.objects.glance(key)
            except BlockingIOError:
                pass
        return self.attempt(lambda node: node.present(key))

    def get(self, key: Key, offset: int, file: bytes) -> Reading | AnnexshellError:
        """Like Repository.get. Nor is a small object left to a thread that can be opened without waiting for a disk:
        nobody is told that it is being sent."""
        repository = self._repository
        if isinstance(repository, LocalRepository) and key.size is not None and key.size <= SMALL:
            with suppress(OSError, AnnexshellError):
                if repository.objects.glance(key):
                    return repository.get(key, offset, file)
        return self.attempt(lambda node: node.get(key, offset, file))

    def is_silent(self) -> bool:
        """Whether it has kept somebody waiting in vain lately, so that others should be asked first."""
        self._was_silent = self._silence.is_noted(self._place)
        return self._was_silent and self._silence.lasts(self._place)

    def failed(self, failure: AnnexshellError, seconds: float) -> None:
        """Notes a failure that took that many seconds: a slow one makes the node a silent one."""
        if isinstance(failure, NodeError) and not isinstance(failure, NodeRefused) and seconds >= SLOW:
            self._was_silent = True
            self._silence.note(self._place, seconds)

    def store(self, function: Callable[[], list[bytes]], length: int) -> list[bytes]:
        """Ends an upload of `length` bytes in all; returns the repositories that have it now. Raises
        AnnexshellError."""
        began = time.monotonic()
        try:
            return self.plus(self.run(function, limit=min(_PATIENCE, _SOON + storing(0, length))))
        except AnnexshellError as error:
            self.failed(error, time.monotonic() - began)
            raise

    def plus(self, uuids: list[bytes]) -> list[bytes]:
        """The node itself, and those of the named repositories that it can speak for."""
        own = [] if is_cluster_uuid(self.uuid) else [self.uuid]
        return own + self.vouched(uuids)

    def compare_clocks(self) -> AnnexshellError | None:
        """Finds out by how much, at least, its clock is ahead of ours: a slow answer makes the difference seem smaller,
        and both clocks are known in whole seconds only."""
        if self.is_local:
            return None  # it has our clock
        answer = self.attempt(lambda node: node.timestamp())
        if isinstance(answer, AnnexshellError):
            self._compared = 0.0
            return answer
        self._clock_ahead = answer - self._clock() - 1
        self._compared = time.monotonic()
        return None

    def remove(self, key: Key, before: int | None) -> list[bytes] | AnnexshellError:
        """Like Repository.remove, with `before` in our own boot time."""
        limit = None
        if before is not None:
            if not self._compared or time.monotonic() - self._compared > _CLOCK_AGE:
                failure = self.compare_clocks()
                if failure is not None:
                    return failure
            limit = before + self._clock_ahead
        return self.attempt(lambda node: node.remove(key, limit), limit=_PATIENCE)

    def close(self) -> None:
        if self._repository is not None:
            repository, self._repository = self._repository, None
            self.attempt_close(repository)

    def attempt_close(self, repository: Repository) -> None:
        try:
            self.run(repository.close)
        except AnnexshellError as error:
            self._warn(error, self.name)
