"""addnode, removenode, renamecluster and removecluster, after which the real git-annex has nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.admin import copied, farm, git, log, ours, succeed, theirs, tip, two_gateways, value


@pytest.fixture
def gw(tmp_path: Path) -> Path:
    return copied(farm, tmp_path / "farm") / "gw"


def agreed(directory: Path) -> None:
    """The real git-annex sees nothing that is configured otherwise than recorded."""
    before = tip(directory)
    assert "No proxy changes to record." in succeed(theirs(directory, "updatecluster"))
    assert tip(directory) == before


def refused(directory: Path, *command: str) -> str:
    """What is said about a command that has to fail, and to change nothing."""
    before = (directory / ".git/config").read_bytes(), tip(directory)
    done = ours(directory, *command)
    assert done.code == 1
    assert done.out.endswith("\nfailed\n")
    assert ((directory / ".git/config").read_bytes(), tip(directory)) == before
    return done.err.removeprefix("annexshell: ").removesuffix("\n")


def test_nodes_of_several_clusters(gw: Path) -> None:
    succeed(ours(gw, "initcluster", "bar"))
    output = succeed(ours(gw, "addnode", "foo", "n1"))
    assert output.startswith("addnode foo n1 ok\n")
    assert "Added node n1 to cluster: foo\n" in output
    assert output.endswith("(recording state in git...)\n")
    succeed(ours(gw, "addnode", "bar", "n1"))
    succeed(ours(gw, "addnode", "foo", "n2"))
    assert value(gw, "remote.n1.annex-cluster-node") == "foo bar"
    agreed(gw)
    before = tip(gw)
    succeed(ours(gw, "addnode", "foo", "n1"))
    assert (tip(gw), value(gw, "remote.n1.annex-cluster-node")) == (before, "foo bar")

    assert "Removed node n1 from cluster: foo" in succeed(ours(gw, "removenode", "foo", "n1"))
    assert value(gw, "remote.n1.annex-cluster-node") == "bar"
    output = succeed(ours(gw, "removenode", "bar", "n1"))
    assert "Stopped proxying for n1" in output
    assert "remote.n1.annex-cluster-node" not in git(gw, "config", "--list")
    agreed(gw)
    before = tip(gw)
    succeed(ours(gw, "removenode", "bar", "n1"))
    assert tip(gw) == before


def test_what_can_be_no_node(gw: Path) -> None:
    git(gw, "remote", "add", "plain", "../plain")
    git(gw, "remote", "add", "me", ".")
    git(gw, "remote", "add", "sl/ash", "../n1")
    git(gw, "remote", "add", "secret", "../n2")
    git(gw, "config", "remote.secret.annex-private", "true")
    succeed(ours(gw, "updatecluster"))  # learns the uuids
    assert refused(gw, "addnode", "nosuch", "n1") == "there is no cluster nosuch here, but: foo"
    assert refused(gw, "addnode", "foo", "nosuch") == 'there is no available git remote named "nosuch"'
    assert refused(gw, "addnode", "foo", "") == 'there is no available git remote named ""'
    assert refused(gw, "addnode", "--", "-x", "--y") == "there is no cluster -x here, but: foo"
    assert "without a known annex-uuid. Cannot use this remote" in refused(gw, "addnode", "foo", "plain")
    assert "is this repository itself" in refused(gw, "addnode", "foo", "me")
    assert "has a name that git-annex does not accept" in refused(gw, "addnode", "foo", "sl/ash")
    assert "is private" in refused(gw, "addnode", "foo", "secret")
    assert 'no available git remote named "nosuch"' in refused(gw, "removenode", "foo", "nosuch")


def test_another_name(gw: Path) -> None:
    """The cluster stays the same, with all that people have set for it."""
    succeed(ours(gw, "initcluster", "bar"))
    for name in ("n1", "n2"):
        succeed(ours(gw, "addnode", "foo", name))
    succeed(ours(gw, "addnode", "bar", "n2"))
    uuid, nodes = value(gw, "annex.cluster.foo"), log(gw, "cluster.log")
    assert refused(gw, "renamecluster", "foo", "b/d") == "That cluster name is not a valid git remote name."
    assert refused(gw, "renamecluster", "foo", "bar") == "there is a cluster bar already"
    assert refused(gw, "renamecluster", "nosuch", "x") == "there is no cluster nosuch here, but: bar, foo"
    output = succeed(ours(gw, "renamecluster", "foo", "baz"))
    assert output.startswith("renamecluster foo baz ok\n")
    assert {"Stopped proxying for foo", "Started proxying for baz"} <= set(output.splitlines())
    assert (value(gw, "annex.cluster.baz"), value(gw, "annex.cluster.foo")) == (uuid, "")
    assert value(gw, "remote.n1.annex-cluster-node") == "baz"
    assert value(gw, "remote.n2.annex-cluster-node") == "baz bar"
    assert log(gw, "cluster.log") == nodes
    assert f"{uuid} cluster baz" in log(gw, "uuid.log")
    agreed(gw)


def test_another_name_keeps_a_description(gw: Path) -> None:
    succeed(ours(gw, "initcluster", "bar", "all our disks"))
    succeed(ours(gw, "renamecluster", "bar", "baz"))
    assert f"{value(gw, 'annex.cluster.baz')} all our disks" in log(gw, "uuid.log")


def test_the_end_of_a_cluster(gw: Path) -> None:
    succeed(ours(gw, "initcluster", "bar"))
    for cluster, name in (("foo", "n1"), ("foo", "n2"), ("bar", "n2")):
        succeed(ours(gw, "addnode", cluster, name))
    uuid, other = value(gw, "annex.cluster.foo"), value(gw, "annex.cluster.bar")
    assert refused(gw, "removecluster", "nosuch") == "there is no cluster nosuch here, but: bar, foo"
    output = succeed(ours(gw, "removecluster", "foo"))
    assert output.startswith("removecluster foo ok\n")
    for line in ("Removed node n1 from cluster: foo", "Stopped proxying for foo", "Stopped proxying for n1"):
        assert f"{line}\n" in output
    assert "Stopped proxying for n2" not in output
    assert log(gw, "cluster.log") == sorted([f"{uuid} ", f"{other} {value(gw, 'remote.n2.annex-uuid')}"])
    assert value(gw, "remote.n2.annex-cluster-node") == "bar"
    assert uuid not in git(gw, "config", "--list")
    agreed(gw)
    succeed(ours(gw, "removecluster", "bar"))
    assert log(gw, "proxy.log") == [value(gw, "annex.uuid") + " "]
    agreed(gw)


def test_a_cluster_goes_on_with_its_other_gateway(tmp_path: Path) -> None:
    here = copied(two_gateways, tmp_path / "gateways") / "NYC"
    before = log(here.parent / "AMS", "cluster.log")
    succeed(ours(here, "extendcluster", "AMS", "foo"))
    succeed(ours(here, "addnode", "foo", "n3"))
    assert "Removed node n3 from cluster: foo" in succeed(ours(here, "removecluster", "foo"))
    assert log(here, "cluster.log")[0] in before
    assert value(here, "remote.AMS.annex-cluster-gateway") == ""
    assert value(here, "annex.uuid") + " " in log(here, "proxy.log"), "an empty list"
    succeed(theirs(here, "merge"))
    agreed(here)
