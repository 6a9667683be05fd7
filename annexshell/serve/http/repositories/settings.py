"""What all repositories of a server have in common: limits, and how their work is done."""

from __future__ import annotations

from annexshell.serve.http.repositories.uploadroom import UploadRoom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.http1.sendfile import SendFile
    from annexshell.stream.port import Waiting


class RepositoryLimits:
    """Limits of each repository: how many idle gateways to `nodes` it keeps, how many keys may be locked, by all
    clients and by each, and how many bytes it may have in all and of each user."""

    __slots__ = ("client_locks", "locked_files", "nodes", "size", "user_size")

    def __init__(
        self,
        nodes: int = 16,
        locked_files: int = 100,
        client_locks: int = 50,
        size: int | None = None,
        user_size: int | None = None,
    ) -> None:
        self.nodes = nodes
        self.locked_files = locked_files
        self.client_locks = client_locks
        self.size = size
        self.user_size = user_size


class ServerSettings:
    """`variables` is the environment of git, `warn` takes warnings. `tasks` is for all that has to be done beside
    requests, `disk_tasks` for what requests do on disks, and `node_tasks` makes tasks for each node and cluster, so
    that one that hangs hinders no other. Connections to nodes wait with `waiting`; `sendfile` is how to have a proxy
    send objects."""

    __slots__ = ("disk_tasks", "limits", "node_tasks", "sendfile", "tasks", "uploads", "variables", "waiting", "warn")

    def __init__(
        self,
        variables: dict[bytes, bytes],
        warn: Callable[[str], None],
        tasks: Tasks,
        disk_tasks: Tasks,
        node_tasks: Callable[[], Tasks],
        waiting: Waiting,
        limits: RepositoryLimits,
        sendfile: SendFile | None = None,
    ) -> None:
        self.variables = variables
        self.warn = warn
        self.tasks = tasks
        self.disk_tasks = disk_tasks
        self.node_tasks = node_tasks
        self.waiting = waiting
        self.limits = limits
        self.sendfile = sendfile
        self.uploads = UploadRoom()
