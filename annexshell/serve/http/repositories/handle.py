"""A handle of a repository that is served, and what a request that has one may ask of where it comes from."""

from __future__ import annotations

import time

from annexshell.annexlog.sizes import RepositorySizes
from annexshell.repo.local.closing import close
from annexshell.repo.local.parts import nobody

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from annexshell.green.tasks import Tasks
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.port import Repository
    from annexshell.serve.http.http1.sendfile import SendFile
    from annexshell.serve.http.repositories.takeover import Takeovers

    Place = tuple[object, ...]

    class Home(Protocol):
        """The repository that handles come from, and go back to."""

        uuid: bytes
        tasks: Tasks
        disk_tasks: Tasks
        takeovers: Takeovers
        sendfile: SendFile | None

        @property
        def is_thin(self) -> bool: ...

        def warn(self, text: str) -> None: ...

        def node_tasks(self, uuid: bytes) -> Tasks: ...

        def touch(self, opened: Handle) -> None: ...

        def give_back(self, opened: Handle) -> None: ...


class Handle:
    """A repository opened for one request after the other; as a gateway it keeps the connections to one node or
    cluster. `place` says which, and is empty for the repository itself."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.identity = parts.git_config.identity()
        self.used = time.monotonic()
        self.changed = False
        self.sizes = RepositorySizes(
            parts.git, parts.journal, lambda: [parts.uuid], parts.annex.locks, parts.annex.perms, nobody
        )
        self.place: Place = ()
        self.node: Repository | None = None
        self._gateway: Gateway | None = None

    def gateway(self) -> Gateway:
        if self._gateway is None:
            from annexshell.repo.gateway.gateway import Gateway

            self._gateway = Gateway(self.parts)
        return self._gateway

    def commit(self) -> None:
        """Commits the location log and does what else is due after changes. May be used again afterwards."""
        changed, self.changed = self.changed, False
        close(self.parts, changed)

    def close(self) -> None:
        """The end of its use."""
        if self.node is not None:
            node, self.node = self.node, None
            node.close()
        self.commit()
