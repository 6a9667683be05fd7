"""Opening what is behind a gateway: one of its nodes, or a cluster of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.gateway.cluster import Cluster
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.gateway.member import Tasks
    from annexshell.repo.gateway.proxied import ProxiedNode
    from annexshell.stream.port import Waiting


def open_node(gateway: Gateway, uuid: bytes, waiting: Waiting) -> ProxiedNode:
    """A node that the gateway's configuration lets clients have. It is waited for with `waiting`."""
    from annexshell.repo.gateway.proxied import ProxiedNode

    return ProxiedNode(gateway, uuid, waiting)


def open_cluster(gateway: Gateway, uuid: bytes, waiting: Waiting, tasks: Tasks) -> Cluster:
    """The same for a cluster, whose nodes are talked to with `tasks`."""
    from annexshell.repo.gateway.cluster import Cluster

    return Cluster(gateway, uuid, waiting, tasks)
