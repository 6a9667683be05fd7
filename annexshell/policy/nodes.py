"""The choice of the nodes of a cluster that an upload goes to. Pure (Annex/Cluster.hs, P2P/Proxy.hs)."""

from __future__ import annotations

from typing import Generic, TypeVar

from annexshell.model.ids import is_cluster_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Node = TypeVar("Node")


def put_targets(
    nodes: list[Node],
    gateways: list[Node],
    uuid: Callable[[Node], bytes],
    locations: Collection[bytes],
    wanting: Callable[[list[Node]], list[Node]],
) -> list[Node]:
    """The nodes that an upload goes to: of those that lack the key, the ones that `wanting` chooses, or all of them if
    it chooses none. If no node lacks it, the upload goes to all, which will answer that they have it.

    Another gateway counts as lacking the key while no node at all is known to have it.
    """
    known = {location for location in locations if not is_cluster_uuid(location)}
    lacking = [node for node in nodes if uuid(node) not in known]
    unserved = gateways if not known else []
    if not lacking and not unserved:
        return [*nodes, *gateways]
    chosen = wanting(lacking)
    return [*chosen, *unserved] if chosen or unserved else lacking


class PutPlan(Generic[Node]):
    """The nodes that an upload is offered to, round after round, until some of them take it."""

    def __init__(
        self, nodes: list[Node], gateways: list[Node], locations: Collection[bytes], uuid: Callable[[Node], bytes]
    ) -> None:
        self._nodes = nodes
        self._gateways = gateways
        self._locations = locations
        self._uuid = uuid
        self._is_first = True

    def targets(self, wanting: Callable[[list[Node]], list[Node]]) -> list[Node]:
        """Whom to offer it to now; after the first round, nobody if `wanting` chooses none of those that are left."""
        if self._is_first:
            return put_targets(self._nodes, self._gateways, self._uuid, self._locations, wanting)
        return wanting(self._nodes)

    def refused(self, targets: list[Node]) -> None:
        """Those have not taken it: what is left are the other nodes that lack the key."""
        self._nodes = [n for n in self._nodes if n not in targets and self._uuid(n) not in self._locations]
        self._is_first = False


def whose_turn(candidates: list[bytes], last: bytes, with_space: Collection[bytes]) -> bytes:
    """The candidate that is filled now, where nodes are filled one after the other: the `last` one as long as it has
    space, then the next one that has. If none has space, it stays the `last` one."""
    start = candidates.index(last) if last in candidates else 0
    ordered = [*candidates[start:], *candidates[:start]]
    return next((uuid for uuid in ordered if uuid in with_space), ordered[0])
