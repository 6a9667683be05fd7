"""What is found out about repositories for people, plain for JSON. Uuids, keys and paths are text here; None stands for
what is not known or does not apply; sizes are in bytes and times in seconds since the epoch."""

from __future__ import annotations

from typing import TypedDict


class Described(TypedDict):
    """A repository that this one knows. Of those that are no remotes only uuid and description are known."""

    name: str | None
    uuid: str
    description: str
    kind: str | None
    location: str | None
    via: str | None  # the gateway on the way
    cost: float | None
    problem: str | None  # why it can't be proxied


class Proxied(Described):
    """What is proxied for: `configured` to be, and `recorded`, so that clients are told of it."""

    configured: bool
    recorded: bool


class Node(Proxied):
    """A node of a cluster."""

    dead: bool


class ShownCluster(TypedDict):
    """One cluster; `gateways` are the other ones."""

    name: str
    uuid: str
    description: str
    recorded: bool
    gateways: list[Described]
    nodes: list[Node]


class ShownRepository(TypedDict):
    """A repository as it is configured."""

    uuid: str
    description: str
    directory: str
    version: int
    clusters: list[ShownCluster]
    proxied: list[Proxied]


class ShownTransfer(TypedDict):
    """A running transfer, of a node on this machine if `repository` names one; `remote` is the other side."""

    repository: str | None
    transfer: str
    key: str
    file: str
    remote: str
    started: float | None
    done: int | None
    size: int | None


class ClusterName(TypedDict):
    """A cluster by its names."""

    name: str
    uuid: str


class NodeSummary(TypedDict):
    """How a node is. `problem` says why it can't be used, and is None if it can or was not `asked`."""

    uuid: str
    name: str
    clusters: list[str]
    asked: bool
    problem: str | None
    size: int | None
    maximum: int | None


class Summary(TypedDict):
    """How a repository is; `names` are what it calls other repositories, by their uuids, and `nodes` those that it
    serves."""

    uuid: str
    description: str | None
    directory: str
    size: int | None
    maximum: int | None
    names: dict[str, str]
    clusters: list[ClusterName]
    nodes: list[NodeSummary] | None
