"""What the doctor says of a gateway."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.admin.shown import ShownRepository
from annexshell.cli.admin.watching.doctor.finding import Finding
from annexshell.cli.admin.watching.doctor.gateway import Nodes, check_modules, check_nodes, check_recorded, look
from annexshell.errors import Cause, NodeError
from annexshell.repo.local.opening import open_parts
from tests.support.admin import copied, farm, git, ours, succeed, theirs, tip, two_gateways
from tests.support.fakenodes import FakeGateway, FakeNodes, node_uuid


def overview() -> ShownRepository:
    return {"uuid": "u", "description": "", "directory": "/", "version": 10, "clusters": [], "proxied": []}


def examined(directory: Path, limit: float = 10) -> tuple[list[Finding], list[Finding]]:
    """What is said of its logs, and of its nodes."""
    parts = open_parts(bytes(directory), dict(os.environb), pytest.fail)
    try:
        nodes = look(parts, limit)
        return [*check_recorded(nodes)], [*check_nodes(nodes)]
    finally:
        parts.git.close()


@pytest.fixture
def gw(tmp_path: Path) -> Path:
    return copied(farm, tmp_path / "farm") / "gw"


def test_no_gateway(gw: Path) -> None:
    assert [repr(found) for found in examined(gw.parent / "n1")[0]] == ["ok proxy.log: this is no gateway"]


def test_one_that_can_not_be_reached_any_more(gw: Path) -> None:
    git(gw, "config", "remote.n3.annex-proxy", "true")
    succeed(ours(gw, "updatecluster"))
    git(gw, "config", "remote.n3.url", "https://host.invalid/n3")
    (text,) = [found.text for found in examined(gw)[0]]
    assert text.startswith("clients are told of n3. n3 can't be reached by its url; give it one of ssh")
    assert "n3 can't be reached by its url" in ours(gw, "updateproxy").err
    assert not any(found.text.startswith("clients are told") for found in examined(gw)[0])
    refused = ours(gw, "addnode", "foo", "n3")
    assert refused.code != 0
    assert "n3 can't be reached by its url" in refused.err


def test_what_is_recorded(gw: Path) -> None:
    """What is configured otherwise than recorded, until that is mended as it says."""
    recorded, _ = examined(gw)
    assert [repr(found) for found in recorded] == [
        "warning proxy.log: clients are not told of the cluster foo; use: annexshell updatecluster"
    ]
    for name in ("n1", "n2"):
        git(gw, "config", f"remote.{name}.annex-cluster-node", "foo")
    git(gw, "config", "remote.n3.annex-proxy", "true")
    texts = [found.text for found in examined(gw)[0]]
    for text in ("the cluster foo", "told of n1", "told of n3", "n2 is not recorded as a node of foo"):
        assert any(text in each for each in texts), texts
    succeed(ours(gw, "updatecluster"))
    assert [found.status for found in examined(gw)[0]] == ["ok"]

    git(gw, "config", "remote.n1.annex-cluster-node", "bar")
    git(gw, "config", "--unset", "remote.n3.annex-proxy")
    succeed(theirs(gw, "dead", "n2"))
    before = tip(gw)
    texts = [found.text for found in examined(gw)[0]]
    assert tip(gw) == before
    assert sorted(texts) == [  # nodes come in the order of their uuids
        "clients are told of n3, which is not configured to be proxied; use: annexshell updatecluster",
        "n1 is recorded as a node of foo, but is none of this gateway; use: annexshell updatecluster",
        "n1 is to be a node of bar, and there is no such cluster; use: annexshell initcluster bar, and annexshell"
        " updatecluster",
        "n2 is a node, and dead; use: annexshell removenode foo n2, or git annex semitrust n2",
    ]


def test_a_gateway_needs_gevent() -> None:
    for named, gevent, count in (({"foo"}, False, 1), (set(), False, 0), ({"foo"}, True, 0)):
        found = [*check_modules(Nodes(overview(), [], named, [], gevent))]
        assert [each.status for each in found] == ["error"] * count


def test_nodes_of_another_gateway(tmp_path: Path) -> None:
    """They are its business."""
    here = copied(two_gateways, tmp_path / "gateways") / "NYC"
    succeed(ours(here, "extendcluster", "AMS", "foo"))
    recorded, nodes = examined(here)
    assert [found.status for found in recorded] == ["ok"]
    (found,) = nodes
    assert found.status == "error"
    assert found.text.startswith("AMS: ")


def test_nodes_on_this_machine(gw: Path) -> None:
    for name in ("n1", "n2", "n3"):
        git(gw, "config", f"remote.{name}.annex-proxy", "true")
    succeed(ours(gw, "updatecluster"))
    git(gw.parent / "n2", "config", "annex.uuid", node_uuid(7))
    (gw.parent / "n3").rename(gw.parent / "moved")
    journal = gw.parent / "n1/.git/annex/journal/x.log"
    journal.write_text("a fact\n")
    assert [repr(found) for found in examined(gw)[1]] == [
        "ok nodes: n1 answers",
        "error nodes: n2: it is another repository than before; correct its url, or use: annexshell updatecluster",
        "error nodes: n3: it can't be read; mount it, or correct its url",
    ]
    assert journal.exists(), "what others have to commit is left to them"


def test_nodes_that_cannot_be_used() -> None:
    error = NodeError("h", "connection refused", cause=Cause.CONNECTION_REFUSED)
    (found,) = check_nodes(Nodes(overview(), [], set(), [("h", error)]))
    assert repr(found) == "error nodes: h: connection refused; start the server there, or correct its url"


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNodes:
    nodes = FakeNodes(tmp_path / "nodes")
    monkeypatch.setenv("PATH", nodes.env["PATH"])
    return nodes


def test_nodes_over_ssh(fakes: FakeNodes, tmp_path: Path) -> None:
    hosts = ["good", "old", "down", "garbled", "other"]
    gateway = FakeGateway.make(tmp_path / "gw", hosts)
    fakes.script("old", maxver=0)
    fakes.script("down", refuse=255)
    fakes.script("garbled", greet="bash: git-annex-shell: command not found")
    fakes.script("other", uuid=node_uuid(9))
    recorded, nodes = examined(gateway.path, limit=60)
    assert [found.status for found in recorded] == ["ok"]
    said = {found.text.partition(":")[0].split()[0]: found for found in nodes}
    assert {name: found.status for name, found in said.items()} == {
        **dict.fromkeys(("good", "old"), "ok"),
        **dict.fromkeys(("down", "garbled", "other"), "error"),
    }
    assert "Connection refused; start the server there" in said["down"].text
    assert "install git-annex-shell there, or set remote.garbled.annex-shell" in said["garbled"].text
    assert "correct its url" in said["other"].text
    git(gateway.path, "config", "--unset", "remote.down.annex-uuid")
    (found,) = [found for found in examined(gateway.path)[1] if found.text.startswith("down: ")]
    assert "Connection refused; start the server there" in found.text, "also if nobody knows yet which one it is"
    for host in hosts:
        fakes.script(host, greet="stall")
    for found in examined(gateway.path, limit=0.3)[1]:
        assert "see what the host is doing, or use a longer --limit" in found.text
