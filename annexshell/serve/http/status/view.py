"""What the page is about: what one visitor may see of all workers' work and of the repositories."""

from __future__ import annotations

import os
import time

from annexshell.admin.summary import summary
from annexshell.errors import AnnexshellError
from annexshell.serve.http.reporting.counting import CONNECTIONS, ROW_RECEIVED, ROW_SENT, Totals
from annexshell.serve.http.reporting.scoreboard import ROW_FIELDS
from annexshell.serve.http.status.chart import rates
from annexshell.wire.endpoints import ENDPOINTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.repositories.served import ServedRepository

    Shown = dict[str, Any]

_NODE_LIMIT = 10.0  # seconds for a node to answer
_PAUSE = 60.0  # seconds before a repository and its nodes are looked at again
_SHARE = 20  # how many times as long as a look takes it is to the next one, whatever that is at
MOST = 100  # repositories, and transfers, that are shown


class Summaries:
    """How the repositories and their nodes are, as of the last look at each. Looking takes a while, and is done beside
    the requests for the page, and only at those that it shows."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._known: dict[bytes, tuple[float, Shown]] = {}  # by path, with the time
        self._due: dict[bytes, float] = {}  # by path, in monotonic seconds, also of those that can't be looked at
        self._looking = False
        self._next = 0.0  # monotonic seconds

    def get(self, served: ServedRepository) -> tuple[float, Shown | None]:
        return self._known.get(served.path, (0.0, None))

    def refresh(self, shown: Sequence[ServedRepository], all_served: Sequence[ServedRepository]) -> None:
        """Has a look taken at those that are shown, if it is time for one. What is not served any more is forgotten."""
        now = time.monotonic()
        due = [served for served in shown if self._due.get(served.path, now) <= now]
        if due and not self._looking and now >= self._next:
            self._looking = True
            self._tasks.spawn(lambda: self._look(due, {served.path for served in all_served}))

    def _look(self, due: Sequence[ServedRepository], present: set[bytes]) -> None:
        began = time.monotonic()
        try:
            for served in due:
                self._due[served.path] = time.monotonic() + _PAUSE
                try:
                    self._known[served.path] = (
                        time.time(),
                        served.inspect(lambda parts: dict(summary(parts, _NODE_LIMIT))),
                    )
                except (AnnexshellError, OSError) as error:
                    served.warn(str(error))
            self._known = {path: known for path, known in self._known.items() if path in present}
            self._due = {path: when for path, when in self._due.items() if path in present}
        finally:
            now = time.monotonic()
            self._next = now + _SHARE * (now - began)
            self._looking = False


class RepositoryView:
    """One repository. `requests`, `received` and `sent` (bytes) are since the server started, `asked` is when. What
    there is on disk, the number of `locks` and the transfers `on_disk`, is known after `look`."""

    def __init__(self, served: ServedRepository, totals: Totals, summaries: Summaries) -> None:
        self.served = served
        self.uuid = os.fsdecode(served.uuid)
        self.asked, self.summary = summaries.get(served)
        row = totals.repositories.get(served.uuid, [0.0] * ROW_FIELDS)
        self.requests = sum(row[: len(ENDPOINTS)])
        self.received, self.sent = row[ROW_RECEIVED], row[ROW_SENT]
        self.locks = 0
        self.on_disk: list[Shown] = []
        self.name = (self.summary or {}).get("description") or os.path.basename(os.fsdecode(served.path))

    def look(self) -> None:
        self.locks = self.served.leases.count()
        self.on_disk = self.served.transfers()


class StatusView:
    """What there is to see: of the busiest repositories, those `shown`, all that is known. `connections` and `rates`
    (received and sent bytes per second) are the whole server's, None and empty for who does not see all of it; `user`
    is empty for who has not logged in."""

    def __init__(self, repositories: list[RepositoryView], user: str, may_log_in: bool) -> None:
        self.now = time.time()
        self.user = user
        self.may_log_in = may_log_in
        self.repositories = sorted(repositories, key=lambda each: (-each.requests, each.served.path))
        self.shown = self.repositories[:MOST]
        for repository in self.shown:
            repository.look()
        self.connections: int | None = None
        self.rates: list[tuple[float, float]] = []
        self.transfers: list[Shown] = []
        self._names = {repository.uuid: repository.name for repository in repositories}
        for repository in repositories:
            for node in (repository.summary or {}).get("nodes", ()):
                self._names.setdefault(node["uuid"], f"{repository.name}: {node['name']}")
            for cluster in (repository.summary or {}).get("clusters", ()):
                self._names.setdefault(cluster["uuid"], f"{repository.name}: {cluster['name']}")

    def name_of(self, uuid: str) -> str:
        return self._names.get(uuid, uuid)

    def add_transfers(self, running: Sequence[Shown]) -> None:
        """Those of our workers that the visitor may know of, and those of other programs in what is shown."""
        shown = [transfer for transfer in running if transfer["repository"] in self._names]
        ours = {(transfer["repository"], transfer["key"], transfer["transfer"]) for transfer in shown}
        for repository in self.shown:
            for transfer in repository.on_disk:
                if (repository.uuid, transfer["key"], transfer["transfer"]) not in ours:
                    shown.append({**transfer, "repository": repository.uuid})
        self.transfers = sorted(shown, key=lambda transfer: transfer["started"] or 0.0)

    def show_all(self, totals: Totals) -> None:
        """Adds the facts about the whole server, for visitors who may see them."""
        self.connections = int(totals.number(CONNECTIONS))
        self.rates = rates(totals.history, self.now)
