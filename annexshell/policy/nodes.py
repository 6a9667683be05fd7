"""Which nodes of a cluster an operation goes to, and what their answers mean together. Pure (Annex/Cluster.hs,
P2P/Proxy.hs)."""

from __future__ import annotations

from annexshell.model.ids import is_cluster_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import TypeVar

    Node = TypeVar("Node")


def put_targets(
    nodes: list[Node],
    gateways: list[Node],
    uuid: Callable[[Node], bytes],
    locations: Collection[bytes],
    wants: Callable[[Node], bool],
) -> list[Node]:
    """Where an upload goes: to the nodes that lack the content and want it; if there are none to all that lack it; and
    if none lacks it to all, who will say that they have it.

    Another gateway counts as lacking it while no node at all is known to have it.
    """
    known = {location for location in locations if not is_cluster_uuid(location)}
    lacking = [node for node in nodes if uuid(node) not in known]
    unserved = gateways if not known else []
    if not lacking and not unserved:
        return [*nodes, *gateways]
    wanting = [node for node in lacking if wants(node)]
    return [*wanting, *unserved] if wanting or unserved else lacking


def plus(own: bytes, others: Iterable[bytes]) -> list[bytes]:
    """The uuids that an answer of a node stands for: the node's own and those that it names. Cluster uuids, that real
    gateways mention too, are no repositories."""
    return [uuid for uuid in dict.fromkeys((own, *others)) if uuid and not is_cluster_uuid(uuid)]
