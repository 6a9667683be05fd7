"""Uploads to simulated clusters, and what becomes of them."""

from __future__ import annotations

from functools import partial
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.policy.nodes import put_targets
from annexshell.policy.placement import PlacementRules
from annexshell.policy.preferred import wants
from annexshell.policy.simulation.contents import Contents, parse_sizes
from annexshell.policy.simulation.setting import Setting, drawn_uuid
from annexshell.policy.simulation.uploads import Uploads
from annexshell.policy.snapshot import Subject
from tests.support.worlds import Dice

NONE = PlacementRules()


def cluster(*wishes: str, maxima: int | None = None) -> Setting:
    setting = Setting()
    dice = Random(4)
    for number, wish in enumerate(wishes):
        uuid = drawn_uuid(dice)
        setting.add(f"n{number}", uuid)
        setting.groups[uuid] = {"g"}
        setting.wanted[uuid] = wish
        if maxima is not None:
            setting.maxima[uuid] = maxima
    return setting


def uploaded(setting: Setting, count: int = 200, sizes: str = "100", rules: PlacementRules = NONE) -> Uploads:
    contents = Contents(count, 0, parse_sizes(sizes))
    uploads = Uploads(setting, list(setting.names.values()), contents, {}, rules)
    uploads.upload()
    return uploads


def test_where_they_go() -> None:
    assert list(uploaded(cluster("anything", "nothing", "largerthan=100")).counts.values()) == [200, 0, 0]
    counts = list(uploaded(cluster(*["balanced=g"] * 4)).counts.values())
    assert sum(counts) == 200
    assert all(30 < count < 70 for count in counts)


def test_by_size_they_are_even() -> None:
    uploads = uploaded(cluster(*["sizebalanced=g"] * 4, maxima=10_000))
    assert list(uploads.counts.values()) == [50] * 4


def test_what_nobody_wants_goes_to_all() -> None:
    uploads = uploaded(cluster(*["balanced=g"] * 3, maxima=1000))
    assert uploads.unwanted == 170
    assert min(uploads.counts.values()) >= 170


def test_rules_of_the_gateway() -> None:
    archives = ["not copies=g:1"] * 3
    assert list(uploaded(cluster(*archives)).counts.values()) == [200] * 3
    assert list(uploaded(cluster(*archives), rules=PlacementRules(one_by_one=True)).counts.values()) == [200, 0, 0]
    turns = uploaded(cluster(*["anything"] * 3, maxima=10_000), rules=PlacementRules(in_turn=["g"]))
    assert list(turns.counts.values()) == [100, 100, 0]


def among(wanting: list[bytes], _: object) -> list[bytes]:
    return wanting


@settings(max_examples=40, deadline=None)
@given(st.integers())
def test_the_same_as_one_by_one(seed: int) -> None:
    """All at once gives what asking for each node gives, as the gateway does."""
    dice = Dice(seed)
    setting = cluster(*(dice.expression() for _ in range(6)))
    for uuid in setting.names.values():
        setting.groups[uuid] = set(dice.sample(["client", "archive", "g1", "g2", "transfer"], 2))
        if dice.random() < 0.7:
            setting.maxima[uuid] = dice.choice([500, 2000, 100_000])
    uploads = Uploads(setting, list(setting.names.values()), Contents(20, 1, parse_sizes("1..999")), {}, NONE)
    uploads.upload()
    expected = Uploads(setting, list(setting.names.values()), Contents(0, 1, parse_sizes("1")), {}, NONE)
    for key, file in Contents(20, 1, parse_sizes("1..999")):
        subject = Subject(setting.snapshot(), key, file, (), expected.filling)
        wanting = [uuid for uuid in expected.nodes if wants(subject, uuid)]
        chosen = put_targets(expected.nodes, [], lambda node: node, (), partial(among, wanting))
        for uuid in chosen:
            expected.counts[uuid] += 1
            expected.filling.add(uuid, key.size or 0)
    assert uploads.counts == expected.counts
    assert uploads.filling.sizes == expected.filling.sizes


def test_a_node_that_is_added() -> None:
    for wish, moving in (("fullybalanced=g", True), ("balanced=g", False)):
        setting = cluster(*[wish] * 3)
        uploads = uploaded(setting)
        new = drawn_uuid(Random(9))
        more = setting.with_another("n3", setting.uuid("n0"), new)
        assert uploads.change(more, [*uploads.nodes, new]) == 0
        moves = uploads.settle()
        assert bool(moves) == moving
        if moving:
            assert moves.copied == moves.dropped > 100
            assert 30 < uploads.counts[new] < 70
        assert sum(uploads.counts.values()) == 200
        assert not uploads.settle()


def test_a_node_that_is_lost() -> None:
    setting = cluster(*["balanced=g:2"] * 4)
    uploads = uploaded(setting)
    gone = setting.uuid("n1")
    had = uploads.counts[gone]
    assert uploads.change(setting.without(gone), [uuid for uuid in uploads.nodes if uuid != gone]) == 0
    moves = uploads.settle()
    assert (moves.copied, moves.dropped) == (had, 0)
    assert sum(uploads.counts.values()) == 400
    assert not uploads.settle()


def test_last_copies_are_lost() -> None:
    setting = cluster(*["balanced=g"] * 4)
    uploads = uploaded(setting)
    gone = setting.uuid("n1")
    had = uploads.counts[gone]
    assert uploads.change(setting.without(gone), [uuid for uuid in uploads.nodes if uuid != gone]) == had
    assert not uploads.settle()
    assert sum(uploads.counts.values()) == 200 - had


STABLE = ["anything", "balanced=g", "balanced=g:2", "sizebalanced=g", "sizebalanced=g:2"]
STABLE += ["standard", "include=*1*", "present or copies=1", "balanced=g or largerthan=300"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STABLE), min_size=2, max_size=6), st.sampled_from([None, 8000]), st.integers(0, 99))
def test_it_comes_to_rest(wishes: list[str], maximum: int | None, seed: int) -> None:
    """Whatever of these a cluster is made of: after a node is lost only so much moves."""
    setting = cluster(*wishes, maxima=maximum)
    uuids = list(setting.names.values())
    uploads = Uploads(setting, uuids, Contents(60, seed, parse_sizes("1..500")), {}, NONE)
    uploads.upload()
    assert settles(uploads)
    uploads.change(setting.without(uuids[0]), uuids[1:])
    assert settles(uploads)


def settles(uploads: Uploads) -> bool:
    return any(not uploads.settle() for _ in range(6))


def test_counting_copies_beside_balancing_does_not_come_to_rest() -> None:
    """Where nodes are nearly full, each moves what the other counts."""
    wishes = ["balanced=g", "balanced=g", "fullybalanced=g:2", "balanced=g:2", "not copies=g:2"]
    setting = cluster(*wishes, maxima=8000)
    uploads = Uploads(setting, list(setting.names.values()), Contents(60, 0, parse_sizes("1..500")), {}, NONE)
    uploads.upload()
    assert not settles(uploads)


def test_what_does_not_come_to_rest() -> None:
    """Two that run after each other, while the third one always has a copy."""
    setting = cluster("not copies=b:1", "copies=a:1", "anything")
    for name, group in (("n0", "a"), ("n1", "b")):
        setting.groups[setting.uuid(name)] = {group}
    assert not settles(uploaded(setting, 3))
