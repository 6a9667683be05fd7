"""extendcluster, side by side with the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.admin import (
    Pair,
    copied,
    git,
    log,
    logs,
    merged_gateways,
    ours,
    succeed,
    theirs,
    tip,
    two_gateways,
    value,
)


@pytest.fixture
def gateways(tmp_path: Path) -> Path:
    return copied(two_gateways, tmp_path / "gateways")


def test_a_second_gateway(tmp_path: Path) -> None:
    pair = Pair(merged_gateways, "NYC", tmp_path)
    for params in (["x"], ["nosuch", "foo"], ["AMS", "nosuch"], ["AMS", "n1"], ["n3", "foo"]):
        real, done = theirs(pair.theirs, "extendcluster", *params), ours(pair.ours, "extendcluster", *params)
        assert (done.code, done.out) == (real.code, real.out) == (1, ""), params
    done = pair.alike("extendcluster", "AMS", "foo")
    assert "Started proxying for AMS-n1" in done.out
    assert value(pair.ours, "remote.AMS.annex-cluster-gateway") == value(pair.ours, "annex.cluster.foo")
    pair.both("config", "remote.n3.annex-cluster-node", "foo")
    assert "Added node n3 to cluster: foo" in pair.alike("updatecluster").out
    pair.alike("extendcluster", "AMS", "foo")


def test_a_gateway_that_is_proxied_too(tmp_path: Path) -> None:
    """What is behind it is then proxied, whether a cluster has it or not."""
    pair = Pair(merged_gateways, "NYC", tmp_path)
    pair.both("config", "remote.AMS.annex-proxy", "true")
    done = pair.alike("updateproxy")
    for name in ("AMS", "AMS-n1", "AMS-foo"):
        assert f"Started proxying for {name}\n" in done.out
    pair.alike("extendcluster", "AMS", "foo")


def test_several_clusters_through_one_gateway(gateways: Path) -> None:
    """The original forgets that the gateway belongs to the first, too."""
    here = gateways / "NYC"
    succeed(ours(here, "extendcluster", "AMS", "foo"))
    succeed(ours(here, "extendcluster", "AMS", "bar"))
    clusters = [value(here, f"annex.cluster.{name}") for name in ("foo", "bar")]
    assert value(here, "remote.AMS.annex-cluster-gateway").split() == clusters
    before = tip(here)
    assert "No proxy changes to record." in succeed(ours(here, "extendcluster", "AMS", "bar"))
    assert tip(here) == before
    assert "No proxy changes to record." in succeed(theirs(here, "updatecluster"))


def test_nodes_behind_each_other(gateways: Path) -> None:
    """Both gateways serve the nodes of both; the real git-annex agrees on either side."""
    first, second = gateways / "AMS", gateways / "NYC"
    succeed(ours(second, "extendcluster", "AMS", "foo"))
    succeed(ours(second, "addnode", "foo", "n3"))
    git(first, "remote", "add", "NYC", "ssh://nowhere.invalid/NYC")
    git(first, "config", "remote.NYC.annex-uuid", value(second, "annex.uuid"))
    git(first, "fetch", "-q", second, "git-annex:refs/remotes/NYC/git-annex")
    done = ours(first, "extendcluster", "NYC", "foo")
    assert "Started proxying for NYC-n3" in succeed(done)
    assert "AMS-n1" not in done.out, "no cycles"
    for here in (first, second):
        succeed(theirs(here, "merge"))
        assert "No proxy changes to record." in succeed(theirs(here, "updatecluster"))
    refused = ours(first, "removenode", "foo", "NYC-n3")
    assert refused.code == 1
    assert "reached through another gateway" in refused.err


def test_a_clusters_log_of_our_own(gateways: Path) -> None:
    """Clients that fetch only from the new gateway learn the nodes of the cluster."""
    here = gateways / "NYC"
    succeed(ours(here, "extendcluster", "AMS", "foo"))
    assert log(here, "cluster.log") == log(gateways / "AMS", "cluster.log")


def test_a_name_that_is_taken(gateways: Path) -> None:
    here = gateways / "NYC"
    succeed(ours(here, "initcluster", "foo"))
    before = logs(here)
    done = ours(here, "extendcluster", "AMS", "foo")
    assert (done.code, done.err) == (1, "annexshell: the name foo already belongs to another cluster here\n")
    assert logs(here) == before
