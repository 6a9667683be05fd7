"""Filling gives the answers that are computed anew each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annexshell.model.key import Key
from annexshell.policy.balance import Fullness
from annexshell.policy.simulation.filling import Filling

MEMBERS = [b"%d0000000-0000-4000-8000-000000000000" % i for i in range(5)]
SIZES = st.integers(0, 30)


@given(
    st.dictionaries(st.sampled_from(MEMBERS), SIZES),
    st.dictionaries(st.sampled_from(MEMBERS), SIZES),
    st.lists(st.tuples(st.sampled_from(MEMBERS), st.integers(-5, 20), SIZES, st.sets(st.sampled_from(MEMBERS)))),
    st.integers(-1, 6),
)
def test_the_same_as_without_remembering(
    sizes: dict[bytes, int],
    maxima: dict[bytes, int],
    events: list[tuple[bytes, int, int, set[bytes]]],
    count: int,
) -> None:
    filling = Filling(sizes, maxima)
    for uuid, change, size, locations in events:
        filling.add(uuid, change)
        plain = Fullness(filling.sizes, maxima)
        key = Key(b"WORM", b"x", size)
        for group in (MEMBERS, MEMBERS[1:3]):
            for places in ((), locations):
                assert filling.with_space(group, key, places) == plain.with_space(group, key, places)
                assert filling.emptiest(group, key, places, count) == plain.emptiest(group, key, places, count)
