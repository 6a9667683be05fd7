"""In which order nodes are asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annexshell.policy.cost import reading_order

NODES = st.dictionaries(st.text(max_size=3), st.tuples(st.sampled_from([100.0, 200.0]), st.integers(0, 3)), max_size=8)


def order(nodes: dict[str, tuple[float, int]], turn: int) -> list[str]:
    return reading_order(nodes, lambda node: nodes[node][0], lambda node: nodes[node][1], turn)


@given(NODES, st.integers(0, 1000))
def test_cheap_ones_first_and_then_idle_ones(nodes: dict[str, tuple[float, int]], turn: int) -> None:
    found = order(nodes, turn)
    assert sorted(found) == sorted(nodes)
    assert [nodes[node] for node in found] == sorted(nodes.values())


@given(st.integers(1, 6), st.integers(0, 1000))
def test_equals_share_the_work(count: int, start: int) -> None:
    nodes = {str(number): (200.0, 0) for number in range(count)}
    first = [order(nodes, turn)[0] for turn in range(start, start + 2 * count)]
    assert sorted(first) == sorted(2 * list(nodes))


def test_nobody() -> None:
    assert order({}, 3) == []
