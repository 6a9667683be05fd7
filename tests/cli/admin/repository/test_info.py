"""info: what it shows of clusters, and of transfers that are going on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.model.key import parse_key
from annexshell.store.layout import Layout
from annexshell.store.transfers import Transfers
from tests.support.admin import config, copied, farm, git, ours, succeed, theirs, tip, two_gateways, value

KEY = parse_key(b"WORM-s4000000-m1--a film")


@pytest.fixture
def gw(tmp_path: Path) -> Path:
    return copied(farm, tmp_path / "farm") / "gw"


def facts(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed(ours(directory, "info", "--json")))
    return found


def test_a_cluster(gw: Path) -> None:
    git(gw, "config", "remote.n1.annex-cluster-node", "foo")
    git(gw, "config", "remote.n2.annex-proxy", "true")
    git(gw, "config", "remote.n2.annex-cost", "42")
    succeed(ours(gw, "updatecluster"))
    git(gw, "remote", "add", "plain", "../plain")
    for name in ("n3", "plain"):
        git(gw, "config", f"remote.{name}.annex-cluster-node", "foo")
    before = config(gw), tip(gw)
    found = facts(gw)
    text = succeed(ours(gw, "info"))
    assert (config(gw), tip(gw)) == before, "it only looks"
    assert (found["description"], found["directory"], found["uuid"]) == ("gateway", str(gw), value(gw, "annex.uuid"))
    (cluster,) = found["clusters"]
    assert (cluster["name"], cluster["uuid"]) == ("foo", value(gw, "annex.cluster.foo"))
    assert (cluster["recorded"], cluster["gateways"]) == (True, [])
    nodes = {node["name"]: node for node in cluster["nodes"]}
    assert {name: node["recorded"] for name, node in nodes.items()} == {"n1": True, "n3": False, "plain": False}
    assert nodes["n1"]["location"] == str(gw.parent / "n1")
    assert nodes["plain"]["problem"] == "plain is a git remote without a known annex-uuid."
    proxied = {remote["name"]: (remote["cost"], remote["recorded"]) for remote in found["proxied"]}
    assert proxied == {"n1": (100, True), "n2": (42, True), "n3": (100, False), "plain": (100, False)}
    assert f"cluster foo: {cluster['uuid']}\n" in text
    assert f"    n2: {value(gw, 'remote.n2.annex-uuid')} local {gw.parent / 'n2'}, cost 42\n" in text
    assert "(not recorded: annexshell updatecluster)" in text
    assert "(plain is a git remote without a known annex-uuid.)" in text
    assert text.endswith("transfers in progress: none\n")


def test_what_became_of_nodes(gw: Path) -> None:
    for name in ("n1", "n2", "n3"):
        git(gw, "config", f"remote.{name}.annex-cluster-node", "foo")
    succeed(ours(gw, "updatecluster"))
    succeed(theirs(gw, "dead", "n1"))
    git(gw, "remote", "remove", "n2")
    git(gw, "config", "--unset", "remote.n3.annex-cluster-node")
    text = succeed(ours(gw, "info"))
    for line, note in (("node n1: ", "dead"), ("node n3: ", "not configured as a node any more")):
        assert any(line in found and f"({note}" in found for found in text.splitlines()), text
    assert "(no remote of this repository)" in text


def test_other_gateways(tmp_path: Path) -> None:
    here = copied(two_gateways, tmp_path / "gateways") / "NYC"
    succeed(ours(here, "extendcluster", "AMS", "foo"))
    (cluster,) = facts(here)["clusters"]
    assert [gateway["name"] for gateway in cluster["gateways"]] == ["AMS"]
    assert {node["name"]: node["via"] for node in cluster["nodes"]} == dict.fromkeys(
        ("AMS-n1", "AMS-n2"), "Amsterdam [AMS]"
    )
    text = succeed(ours(here, "info"))
    assert "ssh://nowhere.invalid/AMS, cost 200 (another gateway)" in text
    assert ", via Amsterdam [AMS]\n" in text


def test_transfers(gw: Path) -> None:
    """Of the gateway and of a node; one that was cut off is not shown."""
    git(gw, "config", "remote.n1.annex-proxy", "true")
    succeed(ours(gw, "updateproxy"))
    perms, client = Perms(None, False, False), b"11111111-1111-4111-8111-111111111111"

    def transfers(repository: Path) -> Transfers:
        return Transfers(Layout(bytes(repository / ".git/annex"), bare=False), FileLocks(), perms)

    sending = transfers(gw).sending(KEY, b"dir/a film.avi", client)
    assert sending is not None
    receiving = transfers(gw.parent / "n1").receiving(KEY, b"", value(gw, "annex.uuid").encode())
    sending.progress(2_000_000)
    receiving.progress(3_000_000)
    left = Path(str(gw / ".git/annex/transfer/upload/22222222-2222-4222-8222-222222222222/WORM--left"))
    left.parent.mkdir()
    left.write_text("1.5s 7\n\n")
    (left.parent / "no key").write_text("nonsense")

    uploading, downloading = sorted(facts(gw)["transfers in progress"], key=lambda found: found["done"])
    assert (uploading["repository"], downloading["repository"]) == (None, "n1")
    assert (uploading["transfer"], downloading["transfer"]) == ("uploading", "downloading")
    assert (uploading["file"], uploading["key"]) == ("dir/a film.avi", "WORM-s4000000-m1--a film")
    assert (uploading["done"], uploading["size"], uploading["started"] > 1) == (2_000_000, 4_000_000, True)
    text = succeed(ours(gw, "info"))
    assert f"    uploading dir/a film.avi to {client.decode()}, 50 % of 4000000 bytes\n" in text
    assert "    n1: downloading WORM-s4000000-m1--a film from this gateway, 75 % of 4000000 bytes\n" in text
    assert "left" not in text
    real = json.loads(succeed(theirs(gw, "info", "--fast", "--json")))["transfers in progress"]
    assert [found["key"] for found in real] == [uploading["key"]]

    sending.end(succeeded=True)
    receiving.end(succeeded=False)
    assert facts(gw)["transfers in progress"] == []


def test_texts_of_others_can_do_no_harm(gw: Path) -> None:
    succeed(theirs(gw, "describe", "here", "\x1b[31mred\x07"))
    assert "description: [31mred\n" in succeed(ours(gw, "info"))
    assert facts(gw)["description"] == "\x1b[31mred\x07"
