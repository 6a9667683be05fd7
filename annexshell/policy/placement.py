"""The choice among the nodes that want an upload, by rules of the gateway's operator. Pure."""

from __future__ import annotations

from annexshell.policy.nodes import whose_turn
from annexshell.policy.preferred import wants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from annexshell.policy.snapshot import Subject


class PlacementRules:
    """`one_by_one`: each node is asked as if those before it that want the key had it already, so that
    `not copies=archive:1` gives one copy and not one on each. `in_turn` are groups: of their members that want the key,
    only one gets it, the same as last time as long as it has space."""

    __slots__ = ("in_turn", "one_by_one")

    def __init__(self, one_by_one: bool = False, in_turn: Sequence[str] = ()) -> None:
        self.one_by_one = one_by_one
        self.in_turn = in_turn

    def __bool__(self) -> bool:
        return self.one_by_one or bool(self.in_turn)


def wanting(
    subject: Subject, nodes: Sequence[bytes], rules: PlacementRules, last: MutableMapping[str, bytes]
) -> list[bytes]:
    """The nodes that get the key. `last` has the node of each group that was filled last, and is changed when the next
    one has its turn."""
    found = []
    for node in nodes:
        if wants(subject, node):
            found.append(node)
            if rules.one_by_one:
                subject = subject.also_at(node)
    for group in rules.in_turn:
        candidates = [node for node in found if node in subject.snapshot.members(group)]
        if candidates:
            chosen = _chosen(subject, candidates, group, last)
            found = [node for node in found if node == chosen or node not in candidates]
    return found


def _chosen(subject: Subject, candidates: list[bytes], group: str, last: MutableMapping[str, bytes]) -> bytes:
    before = last.get(group, b"")
    with_space = subject.fullness.with_space([*candidates, before], subject.key, ())
    chosen = whose_turn(candidates, before, with_space)
    if chosen != before and not (before and before in with_space):
        last[group] = chosen
    return chosen
