"""A handle of a repository: opened for one request after the other."""

from __future__ import annotations

import time

from annexshell.annexlog.sizes import RepositorySizes
from annexshell.repo.local.closing import close
from annexshell.repo.local.parts import nobody

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.port import Repository

    Route = tuple[bytes, ...]


class Handle:
    """`parts` belong to one request at a time; as a gateway it keeps the connections to one node or cluster. `route`
    has its uuid, and those of gateways that are not to be asked for it; it is empty for the repository itself."""

    def __init__(self, parts: Parts, route: Route = ()) -> None:
        self.parts = parts
        self.identity = parts.git_config.identity()
        self.used = time.monotonic()
        self.changed = False
        self.sizes = RepositorySizes(
            parts.git, parts.journal, lambda: [parts.uuid], parts.annex.locks, parts.annex.perms, nobody
        )
        self.route = route
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
