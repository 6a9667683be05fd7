"""Which nodes an upload goes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.policy.nodes import PutPlan, put_targets, whose_turn

A, B, C = (b"11111111-1111-4111-8111-%012d" % n for n in (1, 2, 3))
CLUSTER = b"acb4a51a-1111-8111-8111-111111111111"
GATEWAY = b"the cluster, behind another gateway"


def targets(
    nodes: list[bytes], gateways: list[bytes], locations: set[bytes], wanted: set[bytes] | None = None
) -> list[bytes]:
    def wanting(candidates: list[bytes]) -> list[bytes]:
        return [node for node in candidates if wanted is None or node in wanted]

    return put_targets(nodes, gateways, lambda node: node, locations, wanting)


@pytest.mark.parametrize(
    ("locations", "wanted", "expected"),
    [
        (set(), {A, B, C}, [A, B, C]),
        (set(), {B}, [B]),
        (set(), set(), [A, B, C]),  # somewhere it has to go
        ({A}, {A, B, C}, [B, C]),
        ({A}, {A}, [B, C]),  # who wants it has it
        ({A}, {A, C}, [C]),
        ({A, B}, set(), [C]),
        ({A, B, C}, {A, B, C}, [A, B, C]),  # who will say that they have it
        ({A, B, C}, set(), [A, B, C]),
        ({CLUSTER}, {A, B, C}, [A, B, C]),  # a cluster is no place
    ],
)
def test_uploads(locations: set[bytes], wanted: set[bytes], expected: list[bytes]) -> None:
    assert targets([A, B, C], [], locations, wanted) == expected


@pytest.mark.parametrize(
    ("locations", "wanted", "expected"),
    [
        (set(), {A, B}, [A, B, GATEWAY]),
        ({CLUSTER}, {A, B}, [A, B, GATEWAY]),
        (set(), {A}, [A, GATEWAY]),
        (set(), set(), [GATEWAY]),
        ({C}, {A, B}, [A, B]),  # a node behind it may be the one that has it
        ({C}, set(), [A, B]),
        ({A}, {A, B}, [B]),
        ({A, B}, {A, B}, [A, B, GATEWAY]),
    ],
)
def test_uploads_with_another_gateway(locations: set[bytes], wanted: set[bytes], expected: list[bytes]) -> None:
    assert targets([A, B], [GATEWAY], locations, wanted) == expected


def test_a_cluster_without_nodes() -> None:
    assert targets([], [], set()) == []
    assert targets([], [GATEWAY], set()) == [GATEWAY]
    assert targets([], [GATEWAY], {A}) == [GATEWAY]


NODES = st.lists(st.sampled_from([A, B, C]), unique=True)
UUIDS = st.sets(st.sampled_from([A, B, C, CLUSTER]))


@given(NODES, st.sampled_from([[], [GATEWAY]]), UUIDS, UUIDS)
def test_an_upload_always_goes_somewhere(
    nodes: list[bytes], gateways: list[bytes], locations: set[bytes], wanted: set[bytes]
) -> None:
    found = targets(nodes, gateways, locations, wanted)
    assert bool(found) == bool(nodes or gateways)
    assert set(found) <= {*nodes, *gateways}
    assert len(set(found)) == len(found)
    if set(found) & locations:  # nobody gets twice what others lack
        assert not set(nodes) - locations
    assert {node for node in nodes if node in wanted - locations} <= set(found)


@pytest.mark.parametrize(
    ("candidates", "last", "with_space", "expected"),
    [
        ([A, B, C], b"", {A, B, C}, A),
        ([A, B, C], B, {A, B, C}, B),
        ([A, B, C], B, {A, C}, C),
        ([A, B, C], C, {A, B}, A),
        ([A, B], C, {A, B, C}, A),  # the last one has it already
        ([A, B], C, {B}, B),
        ([A, B, C], B, set(), B),
    ],
)
def test_turns(candidates: list[bytes], last: bytes, with_space: set[bytes], expected: bytes) -> None:
    assert whose_turn(candidates, last, with_space) == expected


def everybody(candidates: list[bytes]) -> list[bytes]:
    return candidates


def first(candidates: list[bytes]) -> list[bytes]:
    return candidates[:1]


def test_rounds_of_an_upload() -> None:
    """Each offers it to those that have not been asked and lack it."""
    plan = PutPlan([A, B, C], [], {B}, lambda node: node)
    assert plan.targets(first) == [A]
    plan.refused([A])
    assert plan.targets(first) == [C]
    plan.refused([C])
    assert plan.targets(first) == []


def test_other_gateways_are_asked_in_the_first_round_only() -> None:
    plan = PutPlan([A, B], [GATEWAY], set(), lambda node: node)
    assert plan.targets(first) == [A, GATEWAY]
    plan.refused([A, GATEWAY])
    assert plan.targets(everybody) == [B]


def test_later_rounds_ask_nobody_who_does_not_want_it() -> None:
    plan = PutPlan([A, B], [], set(), lambda node: node)
    assert plan.targets(lambda _: []) == [A, B]  # somewhere it has to go
    plan.refused([A])
    assert plan.targets(lambda _: []) == []
