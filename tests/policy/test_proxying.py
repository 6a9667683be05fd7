"""Whom a gateway proxies for: only whom its owner has said so of."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.errors import WrongRepository
from annexshell.model.remote import LOCAL, SSH, Remote
from annexshell.policy.proxying import Configuration, check, cluster_members, node_candidates, spoken_for

HERE, A, B, C, GW, GW2 = (b"11111111-1111-4111-8111-%012d" % n for n in range(6))
CLUSTER, OTHER = b"acb4a51a-1111-8111-8111-111111111111", b"acb4a51a-2222-8222-8222-222222222222"


def remote(name: str, uuid: bytes, proxied_by: bytes = b"", **settings: bytes) -> Remote:
    fields = {key.replace("_", "-"): value for key, value in settings.items()}
    return Remote(name, uuid, SSH if proxied_by else LOCAL, b"", fields, proxied_by)


@dataclass
class Given:
    """A gateway with one proxied node, to begin with."""

    listed: dict[bytes, list[str]] | None = field(default_factory=lambda: {A: ["a"]})
    clusters: dict[bytes, list[bytes]] = field(default_factory=dict)
    named: dict[str, bytes] = field(default_factory=dict)
    remotes: list[Remote] = field(default_factory=lambda: [remote("a", A, annex_proxy=b"true")])
    dead: set[bytes] = field(default_factory=set)
    proxies: dict[bytes, set[bytes]] = field(default_factory=dict)

    @property
    def configuration(self) -> Configuration:
        return Configuration(HERE, self.listed, self.clusters, self.named, self.remotes, self.dead, self.proxies)

    def allows(self, uuid: bytes, description: str = "") -> bool:
        try:
            check(self.configuration, uuid, lambda: description)
        except WrongRepository:
            return False
        return True


CASES = [
    ("as it should be", Given(), True),
    ("never set up", Given(listed=None), False),
    ("nobody listed", Given(listed={}), False),
    ("another listed", Given(listed={B: ["a"]}), False),
    ("under another name", Given(listed={A: ["b"]}), False),
    ("under this name too", Given(listed={A: ["b", "a"]}), True),
    ("no remote", Given(remotes=[]), False),
    ("a remote with another uuid", Given(remotes=[remote("a", B, annex_proxy=b"true")]), False),
    ("not switched on", Given(remotes=[remote("a", A)]), False),
    ("switched off", Given(remotes=[remote("a", A, annex_proxy=b"false")]), False),
    ("the node of a cluster", Given(remotes=[remote("a", A, annex_cluster_node=b"x")], named={"x": CLUSTER}), True),
    ("of an unknown cluster", Given(remotes=[remote("a", A, annex_cluster_node=b"x")], named={"y": CLUSTER}), False),
    (
        "of one that is known",
        Given(remotes=[remote("a", A, annex_cluster_node=b"x y")], named={"y": CLUSTER}),
        True,
    ),
    (
        "behind another gateway of a cluster",
        Given(remotes=[remote("gw", GW, annex_cluster_gateway=CLUSTER), remote("a", A, GW)]),
        True,
    ),
    ("behind a remote that is no gateway", Given(remotes=[remote("gw", GW), remote("a", A, GW)]), False),
    (
        "behind another remote than the gateway",
        Given(remotes=[remote("gw", GW, annex_cluster_gateway=CLUSTER), remote("a", A, GW2)]),
        False,
    ),
    (
        "the second of two remotes",
        Given(remotes=[remote("a", A), remote("a", A, annex_proxy=b"true")]),
        True,
    ),
]


@pytest.mark.parametrize(("given_", "allowed"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_nodes(given_: Given, allowed: bool) -> None:
    assert given_.allows(A) == allowed
    assert bool(node_candidates(given_.configuration, A)) == allowed
    assert not given_.allows(C)


@pytest.mark.parametrize(
    ("listed", "clusters", "allowed"),
    [
        ({CLUSTER: ["x"]}, {CLUSTER: [A]}, True),
        ({CLUSTER: ["x"]}, {CLUSTER: []}, True),
        ({CLUSTER: ["x"]}, {}, False),
        ({CLUSTER: ["x"]}, {OTHER: [A]}, False),
        ({}, {CLUSTER: [A]}, False),
        (None, {CLUSTER: [A]}, False),
    ],
)
def test_clusters(listed: dict[bytes, list[str]] | None, clusters: dict[bytes, list[bytes]], allowed: bool) -> None:
    assert Given(listed=listed, clusters=clusters).allows(CLUSTER) == allowed


@pytest.mark.parametrize(
    ("listed", "description", "text"),
    [
        ({}, "the node", "not configured to proxy for repository the node"),
        ({}, "", f"expected repository UUID {A.decode()} but found UUID {HERE.decode()}"),
        (None, "the node", f"expected repository UUID {A.decode()} but found UUID {HERE.decode()}"),
    ],
)
def test_what_is_said_to_others(listed: dict[bytes, list[str]] | None, description: str, text: str) -> None:
    with pytest.raises(WrongRepository) as refused:
        check(Given(listed=listed).configuration, A, lambda: description)
    assert str(refused.value) == text


def test_an_odd_uuid_makes_no_odd_error() -> None:
    with pytest.raises(WrongRepository, match="expected repository UUID \udcff but"):
        check(Given().configuration, b"\xff", lambda: "")


def test_a_description_is_only_looked_up_for_a_refusal() -> None:
    def describe() -> str:
        raise AssertionError

    check(Given().configuration, A, describe)


class TestMembers:
    """Who takes part when a cluster is used."""

    REMOTES = (
        remote("a", A, annex_cluster_node=b"mine"),
        remote("b", B, annex_cluster_node=b"other mine"),
        remote("c", C, annex_cluster_node=b"other"),
        remote("gw", GW, annex_cluster_gateway=CLUSTER),
        remote("gw2", GW2, annex_cluster_gateway=b"%b %b" % (OTHER, CLUSTER)),
        remote("gw-mine", CLUSTER, GW),
        remote("gw2-mine", CLUSTER, GW2),
        remote("gw2-a", A, GW2),
    )

    def members(
        self,
        clusters: dict[bytes, list[bytes]] | None = None,
        named: dict[str, bytes] | None = None,
        dead: set[bytes] | None = None,
        bypass: tuple[bytes, ...] = (),
    ) -> tuple[list[str], list[str]]:
        there = Given(
            clusters={CLUSTER: [A, B, C]} if clusters is None else clusters,
            named={"mine": CLUSTER, "other": OTHER} if named is None else named,
            remotes=list(self.REMOTES),
            dead=dead or set(),
        )
        nodes, gateways = cluster_members(there.configuration, CLUSTER, bypass)
        return [r.name for r in nodes], [r.name for r in gateways]

    def test_nodes_are_in_the_log_and_in_the_config(self) -> None:
        assert self.members()[0] == ["a", "b"]
        assert self.members(clusters={CLUSTER: [A]})[0] == ["a"]
        assert self.members(clusters={OTHER: [A, B]})[0] == []
        assert self.members(named={"mine": OTHER})[0] == []
        assert self.members(named={"mine": CLUSTER, "other": CLUSTER})[0] == ["a", "b", "c"]

    def test_dead_nodes_are_none(self) -> None:
        assert self.members(dead={A})[0] == ["b"]

    def test_other_gateways(self) -> None:
        assert self.members()[1] == ["gw-mine", "gw2-mine"]
        assert self.members(bypass=(GW,))[1] == ["gw2-mine"]
        assert self.members(bypass=(GW, GW2, A))[1] == []

    def test_a_gateway_to_another_cluster_is_none(self) -> None:
        remotes = [remote("gw", GW, annex_cluster_gateway=OTHER), remote("gw-mine", CLUSTER, GW)]
        assert cluster_members(Given(remotes=remotes).configuration, CLUSTER, ())[1] == []

    def test_the_way_back_to_ourselves_is_none(self) -> None:
        remotes = [remote("me", HERE, annex_cluster_gateway=CLUSTER), remote("me-mine", CLUSTER, HERE)]
        assert cluster_members(Given(remotes=remotes).configuration, CLUSTER, ())[1] == []


REMOTES = st.lists(
    st.builds(
        remote,
        st.sampled_from(["a", "b", "gw", "gw-a"]),
        st.sampled_from([A, B, GW, CLUSTER]),
        st.sampled_from([b"", GW]),
        annex_proxy=st.sampled_from([b"", b"true"]),
        annex_cluster_node=st.sampled_from([b"", b"mine", b"stranger"]),
        annex_cluster_gateway=st.sampled_from([b"", CLUSTER, OTHER]),
    ),
    max_size=5,
)
LISTED = st.dictionaries(st.sampled_from([A, B, CLUSTER]), st.lists(st.sampled_from(["a", "b", "gw-a"])))


@given(REMOTES, LISTED, st.sets(st.sampled_from([A, B, GW])))
def test_the_log_alone_opens_nothing(
    remotes: list[Remote], listed: dict[bytes, list[str]], members: set[bytes]
) -> None:
    """Whatever others push: without a word in the git config nobody is reached."""
    for each in remotes:
        each.settings.clear()
    there = Given(listed, {CLUSTER: sorted(members)}, {}, remotes)
    assert not any(there.allows(uuid) for uuid in (A, B, C, GW, HERE))
    assert cluster_members(there.configuration, CLUSTER, ()) == ([], [])


@given(REMOTES, LISTED, st.sets(st.sampled_from([A, B, GW])), st.booleans())
def test_who_is_allowed_is_listed_and_configured(
    remotes: list[Remote], listed: dict[bytes, list[str]], members: set[bytes], named: bool
) -> None:
    there = Given(listed, {CLUSTER: sorted(members)}, {"mine": CLUSTER} if named else {}, remotes)
    for uuid in (A, B, GW):
        for found in node_candidates(there.configuration, uuid):
            assert found.uuid == uuid
            assert found.name in listed[uuid]
            assert found.settings["annex-proxy"] or found.proxied_by or (named and found.cluster_names == ["mine"])
    nodes, gateways = cluster_members(there.configuration, CLUSTER, [])
    assert all(named and r.cluster_names == ["mine"] and r.uuid in members for r in nodes)
    assert all(r.uuid == CLUSTER and r.proxied_by == GW for r in gateways)


class TestSpokenFor:
    """Whom a remote can speak for besides itself."""

    NODE = remote("a", A, annex_proxy=b"true")
    GATEWAY = remote("gw", GW, annex_proxy=b"true")
    OTHERS_CLUSTER = remote("gw-mine", CLUSTER, GW)

    def test_who_is_no_gateway_speaks_for_nobody(self) -> None:
        given = Given(remotes=[self.NODE], clusters={CLUSTER: [A, B]}, proxies={HERE: {A, B, CLUSTER}, GW: {B}})
        assert spoken_for(given.configuration, self.NODE) == set()

    def test_a_gateway_speaks_for_what_is_behind_it(self) -> None:
        given = Given(remotes=[self.GATEWAY], proxies={GW: {A, CLUSTER, GW2}, GW2: {B, GW}, HERE: {GW}, OTHER: {HERE}})
        given.clusters = {CLUSTER: [C]}
        assert spoken_for(given.configuration, self.GATEWAY) == {A, B, C, GW2}

    def test_a_cluster_speaks_for_its_nodes(self) -> None:
        given = Given(remotes=[self.NODE, self.OTHERS_CLUSTER], clusters={CLUSTER: [A, B]}, proxies={GW: {CLUSTER, B}})
        assert spoken_for(given.configuration, self.OTHERS_CLUSTER) == {B}, "our own node is not behind it"
        given.proxies[GW].add(A)
        assert spoken_for(given.configuration, self.OTHERS_CLUSTER) == {A, B}, "the node has two gateways"

    def test_nobody_speaks_for_us_or_ours_in_a_circle(self) -> None:
        given = Given(remotes=[self.NODE, self.GATEWAY], proxies={GW: {HERE}, HERE: {A, GW}})
        assert spoken_for(given.configuration, self.GATEWAY) == set()
