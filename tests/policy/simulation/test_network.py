"""Networks of simulated repositories. That the same happens in the real git-annex is tested with it, in
tests/oracle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.policy.simulation.network import Network, World
from annexshell.policy.simulation.script import lines_of, run
from annexshell.policy.simulation.setting import BadScript

TWO = "init foo\ninit bar\nconnect foo <-> bar\n"


def played(text: str, seed: int = 0) -> tuple[Network, list[str]]:
    said: list[str] = []
    network = Network(World(), seed, said.append, lambda _tried: None)
    for _, words in lines_of(text):
        run(network, words)
    return network, said


def happened(text: str) -> list[str]:
    return [line for line in played(text)[0].log if line.startswith(("present", "notpresent"))]


def test_sending_and_dropping() -> None:
    files = "add x 1kb foo\nadd y 2kb foo\nwanted bar include=x\n"
    assert happened(TWO + files + "action foo sendwanted bar\naction foo dropunwanted\n") == [
        "present bar x",
        "notpresent foo x",
    ]
    assert happened(TWO + files + "action bar gitpull foo\naction bar getwanted foo") == ["present bar x"]
    assert happened(TWO + files + "action bar getwanted foo") == [], "bar knows of nothing"
    assert happened(TWO + files + "numcopies 2\naction foo push bar") == ["present bar x"]
    assert happened(TWO + files + "action bar pull foo\naction foo sync bar") == ["present bar x"]


def test_copies_at_special_remotes_can_not_be_locked() -> None:
    text = "init foo\ninitremote s\nconnect foo -> s\nadd x 1kb foo\nwanted s anything\naction foo sendwanted s\n"
    assert happened(text + "action foo dropunwanted") == ["present s x"]
    assert happened(text + "init b\nconnect foo -> b\nwanted b anything\naction foo push b\naction foo dropunwanted")[
        -1
    ] == ("notpresent foo x")


def test_users_of_a_cluster_know_what_the_others_do() -> None:
    text = "init n\nclusternode c-n n\ninit foo\ninit bar\nconnect foo -> {0} <- bar\nwanted n anything\n"
    text += "add x 1kb foo bar\naction foo sendwanted {0}\n"
    for node, known in (("c-n", True), ("n", False)):
        network, _ = played(text.format(node))
        assert (
            network.setting.uuid("n") in network._view(network.setting.uuid("bar")).locations(network.files["x"])
        ) == known


def test_expectations() -> None:
    network, said = played(TWO + "add x 1kb foo\npresent foo x\nnotpresent bar x\n")
    assert (network.failed, said) == (False, [])
    network, said = played(TWO + "add x 1kb foo\npresent bar x\nnotpresent foo x\npresent foo z")
    assert network.failed
    assert said == [
        "Expected x to be present in bar, but it is not.",
        "Expected x not to be present in foo, but it is present.",
        "Expected z to be present in foo, but the simulation does not include that file.",
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_expressions_come_to_rest(seed: int) -> None:
    """What upstream's collection of simulations explores (doc/sims/randomwanted.mdwn)."""
    text = TWO + "addmulti 5 .x 100kb 10MB foo\naddmulti 5 .y 100kb 10MB foo\n"
    text += "randomwanted bar largerthan=1MB include=*.x anything present\n"
    text += "randomwanted foo largerthan=1MB include=*.x anything present\nstepstable 20\n"
    network, said = played(text, seed)
    assert not network.failed, (said, network.log)


def test_what_never_comes_to_rest() -> None:
    text = "init a\ninit b\ninit c\nconnect a <-> b <-> c <-> a\ngroup a a\ngroup b b\nwanted c anything\n"
    text += "wanted a not copies=b:1\nwanted b copies=a:1\nadd x 1kb c\nstepstable 100"
    network, said = played(text)
    assert network.failed
    assert said == ["Simulation failed to stabilize after 100 steps."]


def test_a_seed_repeats_everything() -> None:
    text = TWO + "addmulti 20 .x 1kb 9kb foo\nwanted bar anything\nstep 7\n"
    assert played(text, 1)[0].log == played(text, 1)[0].log
    assert happened("seed 5\n" + text) != happened("seed 6\n" + text)


def test_rebalancing() -> None:
    text = "init foo\ninit a\ninit b\nconnect a <- foo -> b\ngroup a g\ngroup b g\nwanted a balanced=g\nwanted b"
    text += " balanced=g\naddmulti 20 .x 1kb 2kb foo a\naction foo gitpull a\nrebalance {}\nstepstable 60"
    assert not any("present b" in line for line in happened(text.format("off")))
    assert any("present b" in line for line in happened(text.format("on")))


@pytest.mark.parametrize(
    "line",
    """init|init foo|init a b|nonsense|connect foo|connect foo -> nobody|connect foo - bar|group foo|wanted nobody x
wanted foo bogus|randomwanted foo|randomwanted foo x|trustlevel foo very|maxsize foo much|add x much foo|add x 1kb
add x 1kb nobody|addmulti x y 1 2 foo|addmulti 9999999 y 1 2 foo|addmulti -|step x|step 1.5|action foo
metadata nofile a=b|action foo fly bar|action foo push nobody|action foo dropunwanted bar|action foo push|numcopies x
rebalance maybe|clusternode foo bar
clusternode c nobody|use u here|seed x|action foo push bar while bar""".replace("\n", "|").split("|"),
)
def test_what_is_not_understood(line: str) -> None:
    with pytest.raises(BadScript):
        played(TWO + line)


def test_settings() -> None:
    text = (
        TWO + "# a comment\n-- another\n\nadd x 1kb foo\nmetadata x year=2025\nmetadata x tag+=a\nmetadata x tag-=a\n"
    )
    text += "wanted bar metadata=year=2025\ntrustlevel bar trusted\nmaxsize bar 1mb\nmincopies 1\nungroup bar g\n"
    text += "groupwanted g anything\nrequired bar nothing\nrandomgroupwanted g anything\nrandomrequired foo anything\n"
    assert happened(text + "action foo sendwanted bar\ndisconnect foo <-> bar") == ["present bar x"]
    with pytest.raises(BadScript):
        played(text + "disconnect foo <-> bar\naction foo sendwanted bar")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["year=2025"], {"year": {"2025"}}),
        (["YEAR=2025", "year=2026"], {"year": {"2026"}}),
        (["tag+=a", "tag+=b", "tag-=a"], {"tag": {"b"}}),
        (["tag?=a", "tag?=b"], {"tag": {"a"}}),
        (["tag=x+=y"], {"tag": {"x+=y"}}),
        (["tag=a=b"], {"tag": {"a=b"}}),
    ],
)
def test_metadata(changes: list[str], expected: dict[str, set[str]]) -> None:
    network, _ = played(TWO + "add x 1kb foo\n" + "".join(f"metadata x {change}\n" for change in changes))
    assert network.setting.fields == {network.files["x"]: expected}
    with pytest.raises(BadScript):
        played(TWO + "add x 1kb foo\nmetadata x year\n")


def test_what_needs_repositories_on_disk_is_left_out() -> None:
    network, said = played(TWO + "visit foo git-annex whereis\nadd x 1kb foo\npresent foo x")
    assert said == ["Left out, since it needs git-annex: visit foo git-annex whereis"]
    assert not network.failed
