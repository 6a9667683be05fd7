"""What the page is about: what one visitor may see of all workers' work and of the repositories."""

from __future__ import annotations

import os
import time

from annexshell.errors import AnnexshellError
from annexshell.repo.standing import standing
from annexshell.serve.http.counting import CONNECTIONS, ROW_RECEIVED, ROW_SENT, Totals
from annexshell.serve.http.scoreboard import ROW_FIELDS
from annexshell.serve.http.status.chart import rates
from annexshell.wire.httpapi import SINCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.served import Served

    Shown = dict[str, Any]

_NODE_LIMIT = 10.0  # seconds for a node to answer
_PAUSE = 60.0  # seconds before repositories and nodes are looked at again, and
_SHARE = 20  # how many times as long as that takes it is to the next time


class Standings:
    """How the repositories and their nodes are, as of the last look. Looking takes a while, and is done beside the
    requests for the page, and only if there are any."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._known: dict[bytes, tuple[float, Shown]] = {}  # by path, with the time
        self._looking = False
        self._next = 0.0  # monotonic seconds

    def get(self, served: Served) -> tuple[float, Shown | None]:
        return self._known.get(served.path, (0.0, None))

    def refresh(self, all_served: Sequence[Served]) -> None:
        """Has a look taken if it is time for one."""
        if not self._looking and time.monotonic() >= self._next:
            self._looking = True
            self._tasks.spawn(lambda: self._look(all_served))

    def _look(self, all_served: Sequence[Served]) -> None:
        began = time.monotonic()
        try:
            for served in all_served:
                try:
                    self._known[served.path] = time.time(), served.inspect(lambda parts: standing(parts, _NODE_LIMIT))
                except (AnnexshellError, OSError) as error:
                    served.warn(str(error))
            present = {served.path for served in all_served}
            self._known = {path: known for path, known in self._known.items() if path in present}
        finally:
            now = time.monotonic()
            self._next = now + max(_PAUSE, _SHARE * (now - began))
            self._looking = False


class Repository:
    """One repository. `requests`, `received` and `sent` (bytes) are since the server started, `asked` is when."""

    def __init__(self, served: Served, totals: Totals, standings: Standings) -> None:
        self.uuid = os.fsdecode(served.uuid)
        self.asked, self.standing = standings.get(served)
        row = totals.repositories.get(served.uuid, [0.0] * ROW_FIELDS)
        self.requests = sum(row[: len(SINCE)])
        self.received, self.sent = row[ROW_RECEIVED], row[ROW_SENT]
        self.locks = served.leases.count()
        self.name = (self.standing or {}).get("description") or os.path.basename(os.fsdecode(served.path))
        self.on_disk = served.transfers()


class Facts:
    """What there is to see. `connections` and `rates` (received and sent bytes per second) are the whole server's, None
    and empty for who does not see all of it; `user` is empty for who has not logged in."""

    def __init__(self, repositories: list[Repository], user: str, may_log_in: bool) -> None:
        self.now = time.time()
        self.user = user
        self.may_log_in = may_log_in
        self.repositories = sorted(repositories, key=lambda repository: (-repository.requests, repository.name))
        self.connections: int | None = None
        self.rates: list[tuple[float, float]] = []
        self.transfers: list[Shown] = []
        self._names = {repository.uuid: repository.name for repository in repositories}
        for repository in repositories:
            for node in (repository.standing or {}).get("nodes", ()):
                self._names.setdefault(node["uuid"], f"{repository.name}: {node['name']}")
            for cluster in (repository.standing or {}).get("clusters", ()):
                self._names.setdefault(cluster["uuid"], f"{repository.name}: {cluster['name']}")

    def name_of(self, uuid: str) -> str:
        return self._names.get(uuid, uuid)

    def add_transfers(self, running: Sequence[Shown]) -> None:
        """Those of our workers that the visitor may know of, and those of other programs on disk."""
        shown = [transfer for transfer in running if transfer["repository"] in self._names]
        ours = {(transfer["repository"], transfer["key"], transfer["transfer"]) for transfer in shown}
        for repository in self.repositories:
            for transfer in repository.on_disk:
                if (repository.uuid, transfer["key"], transfer["transfer"]) not in ours:
                    shown.append({**transfer, "repository": repository.uuid})
        self.transfers = sorted(shown, key=lambda transfer: transfer["started"] or 0.0)

    def show_all(self, totals: Totals) -> None:
        """For who may see what concerns the whole server."""
        self.connections = int(totals.number(CONNECTIONS))
        self.rates = rates(totals.history, self.now)
