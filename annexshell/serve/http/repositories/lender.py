"""Lends repositories to requests: the served one itself, and the nodes and clusters behind it."""

from __future__ import annotations

from annexshell.model.ids import is_cluster_uuid
from annexshell.repo.local.opening import local_repository
from annexshell.repo.local.quota import LimitedRepository, Quota
from annexshell.serve.http.repositories.request import RequestRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from annexshell.green.tasks import Tasks
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.port import Repository
    from annexshell.serve.http.repositories.handle import Handle
    from annexshell.serve.http.repositories.pool import HandlePool
    from annexshell.serve.http.repositories.takeover import Takeovers


class Lender:
    """Lends what one pool of handles has."""

    def __init__(self, pool: HandlePool, takeovers: Takeovers) -> None:
        limits = pool.settings.limits
        self._pool = pool
        self._settings = pool.settings
        self._takeovers = takeovers
        self._node_tasks: dict[bytes, Tasks] = {}
        has_quota = limits.size is not None or limits.user_size is not None
        self._quota = Quota(pool.parts, limits.size, limits.user_size) if has_quota else None

    def lend(
        self, uuid: bytes, client: bytes = b"", bypass: Sequence[bytes] = (), user: bytes = b""
    ) -> RequestRepository:
        """The repository for a request to a uuid, which is closed in the end. `client` is what the client calls itself,
        `bypass` are the gateways that the request has passed. Raises WrongRepository, NotARepository."""
        return self._lend_own(client, user) if uuid == self._pool.uuid else self._lend_node(uuid, bypass)

    def _lend_own(self, client: bytes, user: bytes) -> RequestRepository:
        handle = self._pool.take()
        local = local_repository(handle.parts, client)
        repository: Repository = local
        if self._quota is not None:
            repository = LimitedRepository(local, handle.parts, self._quota, handle.sizes, user)
        return self._lent(repository, handle, self._settings.disk_tasks)

    def _lend_node(self, uuid: bytes, bypass: Sequence[bytes]) -> RequestRepository:
        handle = self._pool.take((uuid, *bypass))
        tasks = self.node_tasks(uuid)
        if handle.node is None:
            handle.node = self._connect(handle.gateway(), uuid, bypass, tasks)
        return self._lent(handle.node, handle, tasks, in_threads=not is_cluster_uuid(uuid))

    def _lent(self, repository: Repository, handle: Handle, tasks: Tasks, in_threads: bool = True) -> RequestRepository:
        return RequestRepository(repository, handle, self._pool, self._takeovers, tasks, in_threads)

    def _connect(self, gateway: Gateway, uuid: bytes, bypass: Sequence[bytes], tasks: Tasks) -> Repository:
        from annexshell.repo.gateway.gateway import open_cluster, open_node

        waiting = self._settings.waiting
        node: Repository = (
            open_cluster(gateway, uuid, waiting, tasks) if is_cluster_uuid(uuid) else open_node(gateway, uuid, waiting)
        )
        if bypass:
            node.bypass(list(bypass))
        return node

    def node_tasks(self, uuid: bytes) -> Tasks:
        """The tasks for a node or cluster. Each has its own, so that one that hangs hinders no other."""
        if uuid not in self._node_tasks:
            self._node_tasks[uuid] = self._settings.node_tasks()
        return self._node_tasks[uuid]
