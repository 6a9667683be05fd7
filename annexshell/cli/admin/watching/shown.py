"""What is going on at one moment, plain for JSON; see admin.shown for units."""

from __future__ import annotations

from typing import TypedDict

from annexshell.admin.shown import ClusterName, NodeSummary
from annexshell.repo.local.running import RunningTransfer


class WatchedTransfer(RunningTransfer):
    """A transfer; `rate` is in bytes per second, `peer_name` what the other side is called."""

    rate: float | None
    pid: int | None
    peer_name: str | None


class ShownLock(TypedDict):
    """A lock on a key or a file. What a process holds has its `pid`; what the HTTP server keeps for a client, until
    when it is kept, and for whom."""

    key: str | None
    file: str | None
    exclusive: bool
    pid: int | None
    until: float | None
    client: str | None
    address: str | None
    user: str | None
    client_name: str | None


class Process(TypedDict):
    """A process that has to do with the repositories; `cpu` is in seconds. Of one that is not `visible` it is not known
    what it holds."""

    pid: int
    what: str
    program: str
    command: str
    account: str
    client: str | None
    address: str | None
    fingerprint: str | None
    since: float
    cpu: float
    memory: int
    workers: list[int]
    connections: int
    visible: bool
    client_name: str | None


class WatchedRepository(TypedDict):
    """A repository, and what goes on there. `nodes` is None as long as they have not been asked."""

    uuid: str
    description: str | None
    directory: str
    size: int | None
    maximum: int | None
    clusters: list[ClusterName]
    nodes: list[NodeSummary] | None
    present: bool
    transfers: list[WatchedTransfer]
    locks: list[ShownLock]


class Look(TypedDict):
    """Everything."""

    time: float
    repositories: list[WatchedRepository]
    processes: list[Process]
