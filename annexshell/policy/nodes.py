"""Which nodes of a cluster an operation goes to, and what their answers mean together. Pure (Annex/Cluster.hs,
P2P/Proxy.hs)."""

from __future__ import annotations

from annexshell.model.ids import is_cluster_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeVar

    Node = TypeVar("Node")


def put_targets(
    nodes: list[Node],
    gateways: list[Node],
    uuid: Callable[[Node], bytes],
    locations: Collection[bytes],
    wanting: Callable[[list[Node]], list[Node]],
) -> list[Node]:
    """Where an upload goes: to those of the nodes that lack the content that `wanting` chooses; if it chooses none to
    all that lack it; and if none lacks it to all, who will say that they have it.

    Another gateway counts as lacking it while no node at all is known to have it.
    """
    known = {location for location in locations if not is_cluster_uuid(location)}
    lacking = [node for node in nodes if uuid(node) not in known]
    unserved = gateways if not known else []
    if not lacking and not unserved:
        return [*nodes, *gateways]
    chosen = wanting(lacking)
    return [*chosen, *unserved] if chosen or unserved else lacking


def whose_turn(candidates: list[bytes], last: bytes, with_space: Collection[bytes]) -> bytes:
    """Which of the candidates is filled where one is filled after the other: the one that was `last`, as long as it
    has space, and then the next one that has. If none has, it stays as it is."""
    start = candidates.index(last) if last in candidates else 0
    ordered = [*candidates[start:], *candidates[:start]]
    return next((uuid for uuid in ordered if uuid in with_space), ordered[0])
