"""The order in which nodes are asked. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    Node = TypeVar("Node")


def reading_order(
    nodes: Iterable[Node], cost: Callable[[Node], float], load: Callable[[Node], int], turn: int
) -> list[Node]:
    """The nodes, best first: by cost; at the same cost, by their running transfers; and otherwise in turn, so that they
    share the work."""
    found = list(nodes)
    if not found:
        return []
    start = turn % len(found)
    return sorted(found[start:] + found[:start], key=lambda node: (cost(node), load(node)))
