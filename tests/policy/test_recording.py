"""What has to be recorded about clusters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annexshell.model.remote import LOCAL, OTHER, SPECIAL, SSH, Remote
from annexshell.policy.recording import membership, obstacle, proxied_pairs

A, B, C, D = b"a", b"b", b"c", b"d"
UUIDS = st.sets(st.sampled_from([A, B, C, D]))


def test_nodes_are_added_and_removed() -> None:
    nodes = membership(recorded=[B, C], dead=[], mine={D: "d", A: "a"}, elsewhere=[C])
    assert (nodes.nodes, nodes.added, nodes.removed, nodes.changed) == ([A, C, D], ["a", "d"], [B], True)


def test_a_node_elsewhere_is_no_reason_to_become_one() -> None:
    assert membership([], [], {}, [A]).nodes == []


def test_a_dead_node_goes_with_the_next_change() -> None:
    assert membership([A, B], dead=[B], mine={A: "a"}, elsewhere=[]).nodes == [A, B]
    nodes = membership([A, B], dead=[B], mine={C: "c"}, elsewhere=[])
    assert (nodes.nodes, nodes.removed) == ([C], [A])


@given(UUIDS, UUIDS, UUIDS, UUIDS)
def test_recorded_once_it_stays(
    recorded: set[bytes], dead: set[bytes], mine: set[bytes], elsewhere: set[bytes]
) -> None:
    names = {uuid: uuid.decode() for uuid in mine}
    first = membership(recorded, dead, names, elsewhere)
    assert mine <= set(first.nodes)
    again = membership(first.nodes, dead, names, elsewhere)
    assert (again.nodes, again.changed, again.added, again.removed) == (first.nodes, False, [], [])


def remote(name: str, uuid: bytes, kind: str = LOCAL, **settings: bytes) -> Remote:
    return Remote(name, uuid, kind, b"", {key.replace("_", "-"): value for key, value in settings.items()})


def test_nodes_behind_other_gateways_are_proxied_unless_they_are_reached_directly() -> None:
    cluster, other = b"cluster", b"other"
    behind = [remote("gw-a", A, SSH), remote("gw-b", B, SSH), remote("gw-c", C, SSH), remote("gw-foo", cluster, SSH)]
    clusters = {cluster: [A, B], other: [C]}
    assert proxied_pairs([remote("b", B)], behind, {"foo": cluster}, clusters) == {
        (A, "gw-a"),
        (B, "b"),
        (cluster, "foo"),
    }


def test_obstacles() -> None:
    exporting = {b"exporttree": b"yes"}
    special = {A: exporting, B: {**exporting, b"annexobjects": b"yes"}, C: {b"exporttree": b"no"}}
    assert "without a known annex-uuid" in obstacle(remote("r", b""), D, special)[0]
    assert "without a known annex-uuid" in obstacle(remote("r", b"a b"), D, special)[0]
    assert "is this repository itself" in obstacle(remote("r", D), D, special)[0]
    assert "Suggest you run: git-annex enableremote r annexobjects=yes" in obstacle(remote("r", A, SPECIAL), D, special)
    assert "annexobjects=yes." in obstacle(remote("r", C, SPECIAL, annex_config_uuid=A), D, special)[0]
    assert obstacle(remote("r", A, LOCAL), D, special) == []
    (reason,) = obstacle(remote("r", A, OTHER), D, special)
    assert reason.startswith("r can't be reached by its url; give it")
    for uuid in (B, C, b"unknown"):
        assert obstacle(remote("r", uuid, SPECIAL), D, special) == [
            "r is a special remote, which only git-annex itself can serve yet."
        ]
