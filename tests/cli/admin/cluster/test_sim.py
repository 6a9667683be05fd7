"""annexshell sim."""

from __future__ import annotations

import json
from pathlib import Path
from xml.dom import minidom

import pytest

from tests.support.admin import copied, farm, git, ours, succeed, theirs, value

NODES = ("n1", "n2", "n3")
FILE = "init a\ninit b\nwanted a include=*.x\nwanted b anything\nmaxsize a 1kb\nmaxsize b 1kb\n"


def cluster(directory: Path) -> None:
    """A farm whose nodes belong to the cluster foo and are balanced."""
    farm(directory)
    for name in NODES:
        git(directory / "gw", "config", f"remote.{name}.annex-cluster-node", "foo")
    succeed(ours(directory / "gw", "updatecluster"))
    for name in NODES:
        succeed(ours(directory / "gw", "group", name, "g"))
        succeed(ours(directory / "gw", "wanted", name, "sizebalanced=g"))
        succeed(ours(directory / "gw", "maxsize", name, "1GB"))


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    return copied(cluster, tmp_path / "farm") / "gw"


def simulated(directory: Path, *args: str) -> list[dict[str, int]]:
    """How many contents each node has at each stage."""
    shown = json.loads(succeed(ours(directory, "sim", "--json", *args)))
    return [{node["node"]: node["keys"] for node in stage["nodes"]} for stage in shown["stages"]]


def test_the_cluster_of_a_gateway(gateway: Path) -> None:
    before = git(gateway, "rev-parse", "git-annex")
    assert simulated(gateway, "--keys=300", "--sizes=1kB") == [dict.fromkeys(NODES, 100)]
    assert git(gateway, "rev-parse", "git-annex") == before
    stages = simulated(gateway, "--keys=300", "--sizes=1kB", "--add=n4:n1", "--lose=n2")
    assert [set(stage) for stage in stages] == [set(NODES), {*NODES, "n4"}, {"n1", "n3", "n4"}]
    git(gateway, "config", "annexshell.clusterFillInTurn", "g")
    for name in NODES:
        succeed(ours(gateway, "wanted", name, "anything"))
    assert simulated(gateway, "--keys=30", "--sizes=50MB") == [{"n1": 20, "n2": 10, "n3": 0}]


def test_the_same_node_as_the_real_one_says(gateway: Path) -> None:
    """Of balanced groups, for each of some hundred files."""
    for name in NODES:
        succeed(ours(gateway, "wanted", name, "balanced=g"))
    work = gateway / "files"
    work.mkdir()
    for number in range(200):
        (work / str(number)).write_text(str(number))
    succeed(theirs(gateway, "add", "-q", "."))
    git(gateway, "commit", "-qm", "files")
    uuids = {name: value(gateway.parent / name, "annex.uuid") for name in NODES}
    expected = {
        name: set(succeed(theirs(gateway, "find", f"--want-get-by={uuid}", "--include=*")).split())
        for name, uuid in uuids.items()
    }
    lines = ["init src", *(f"use {name} {name}" for name in NODES), "addtree src anything"]
    for name in NODES:
        lines += [f"connect src -> {name}", f"action src sendwanted {name}"]
    (gateway / "x.sim").write_text("\n".join(lines))
    log = succeed(ours(gateway, "sim", "--log", "x.sim")).splitlines()
    found = {name: {line.split()[2] for line in log if line.startswith(f"present {name} ")} for name in NODES}
    assert found == expected
    assert sum(map(len, found.values())) == 200


def test_a_described_cluster(gateway: Path, tmp_path: Path) -> None:
    (tmp_path / "a.sim").write_text(FILE)
    (tmp_path / "sizes").write_text("10 a.x\n20 b.y\n")
    path = str(tmp_path / "a.sim")
    stages = simulated(gateway, f"--list={tmp_path / 'sizes'}", "--keys=40", path)
    assert 0 < stages[0]["a"] < 40 == stages[0]["b"]
    text = succeed(ours(gateway, "sim", "--keys=20", f"--svg={tmp_path / 'c.svg'}", "--sizes=100", "--lose=a", path))
    assert "      20  2.0 kB   1.0 kB  200.0%  +100.0%  b" in text
    assert "after losing a:" in text
    chart = minidom.parse(str(tmp_path / "c.svg"))
    assert "prefers-color-scheme:dark" in chart.toxml()
    assert len(chart.getElementsByTagName("text")) > 6
    assert "http" not in chart.toxml().replace("http://www.w3.org/2000/svg", "")


def test_what_happens_in_a_file(gateway: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.sim"
    text = "init a\ninit b\nconnect a -> b\nwanted b anything\nadd x 1kb a\naction a sendwanted b\npresent b x\n"
    path.write_text(text)
    assert simulated(gateway, str(path)) == [{"a": 1, "b": 1}]
    path.write_text(text + "notpresent b x\n")
    done = ours(gateway, "sim", "--log", str(path))
    assert done.code == 1
    assert "present b x" in done.out
    assert "Expected x not to be present in b, but it is present." in done.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--cluster=bar"], "there is no cluster bar here; the clusters of this gateway are: foo"),
        (["--keys=-1"], "--keys=-1 is not a number"),
        (["--lose=nobody"], 'No repository in the simulation is named "nobody"'),
        (["--add=x"], "does not say which node"),
        (["--sizes=much"], 'Unable to parse file size "much"'),
        (["nosuch.sim"], "there is no file nosuch.sim"),
        (["--list=nosuch"], "there is no file nosuch"),
        (["bad.sim"], "bad.sim, line 2: Unable to parse sim command"),
        (["empty.sim"], "empty.sim describes no repositories"),
        (["one.sim", "--lose=a"], "no node would be left"),
    ],
)
def test_mistakes(gateway: Path, args: list[str], said: str) -> None:
    for name, text in (("bad", "init a\nfoo\n"), ("empty", "# nothing\n"), ("one", "init a\n")):
        (gateway / f"{name}.sim").write_text(text)
    done = ours(gateway, "sim", *args)
    assert done.code == 1
    assert said in done.err


def test_rebalancing(gateway: Path) -> None:
    """With it what is stored moves to a node that is added, and without it stays."""
    for name in NODES:
        succeed(ours(gateway, "wanted", name, "balanced=g"))
    assert simulated(gateway, "--keys=40", "--add=n4:n1")[1]["n4"] == 0
    stages = simulated(gateway, "--keys=40", "--add=n4:n1", "--rebalance")
    assert 0 < stages[1]["n4"] < 40 == sum(stages[1].values())
