"""updatecluster and updateproxy, side by side with the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.admin import Pair, copied, farm, git, log, logs, make, ours, succeed, theirs, tip, value

UPDATED_ALREADY = "No cluster node changes for cluster: foo\nNo proxy changes to record.\n"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(farm, "gw", tmp_path)


@pytest.fixture
def gw(tmp_path: Path) -> Path:
    return copied(farm, tmp_path / "farm") / "gw"


def test_nodes_come_and_go(pair: Pair) -> None:
    for name in ("n1", "n2", "n3"):
        pair.both("config", f"remote.{name}.annex-cluster-node", "foo")
    done = pair.alike("updatecluster")
    assert sorted(done.out.splitlines())[:3] == [f"Added node n{n} to cluster: foo" for n in (1, 2, 3)]
    assert value(pair.ours, "remote.n1.annex-uuid"), "found out"
    pair.both("config", "--unset", "remote.n1.annex-cluster-node")
    pair.both("remote", "remove", "n2")
    done = pair.alike("updatecluster")
    assert "Removed node n1 from cluster: foo" in done.out
    pair.both("remote", "rename", "n3", "other")
    assert "Started proxying for other" in pair.alike("updatecluster").out
    pair.both("config", "--unset", "remote.other.annex-cluster-node")
    pair.alike("updatecluster")
    assert log(pair.ours, "cluster.log") == [value(pair.ours, "annex.cluster.foo") + " "], "an empty list"


def test_proxying_without_a_cluster(pair: Pair) -> None:
    pair.both("config", "--unset", "annex.cluster.foo")
    pair.both("config", "remote.n2.annex-proxy", "true")
    assert pair.alike("updateproxy").out == "Started proxying for n2\n"
    pair.both("config", "remote.n2.annex-proxy", "false")
    assert pair.alike("updateproxy").out == "Stopped proxying for n2\n"
    assert log(pair.ours, "proxy.log") == [value(pair.ours, "annex.uuid") + " "]


def test_odd_configurations(pair: Pair) -> None:
    """Several remotes of one repository, ignored ones, empty and unknown words, and what is no cluster."""
    pair.both("remote", "add", "again", "../n1")
    pair.both("config", "remote.again.annex-cluster-node", "foo")
    pair.both("config", "remote.again.annex-ignore", "true")
    pair.both("config", "remote.n1.annex-cluster-node", "foo")
    pair.both("config", "remote.n2.annex-cluster-node", "")
    pair.both("config", "remote.n3.annex-cluster-node", "  nosuch b/ad\tfoo ")
    pair.both("config", "annex.cluster.bar", "not the uuid of a cluster")
    pair.both("config", "annex.cluster.b_d.Baz", "ac000000-0000-8000-8000-000000000001")
    pair.both("config", "annex.cluster.wi th.qux", "ac000000-0000-8000-8000-000000000002")
    done = pair.alike("updatecluster")
    assert "Added node again" in done.out
    assert "Started proxying for n2" in done.out
    assert "bar" not in done.out


def test_what_can_not_be_a_node(pair: Pair) -> None:
    pair.both("remote", "add", "plain", "../plain")
    pair.both("remote", "add", "gone", "../gone")
    for name in ("plain", "gone"):
        pair.both("config", f"remote.{name}.annex-cluster-node", "foo")
    done = pair.alike("updatecluster")
    assert done.err == (
        "  Remote gone cannot currently be accessed.\n"
        "  gone is a git remote without a known annex-uuid. Cannot use this remote as a cluster node.\n"
        "  plain is a git remote without a known annex-uuid. Cannot use this remote as a cluster node.\n"
        "  gone is a git remote without a known annex-uuid. Cannot proxy to this remote.\n"
        "  plain is a git remote without a known annex-uuid. Cannot proxy to this remote.\n"
    )
    done = pair.alike("updateproxy")
    assert len(done.err.splitlines()) == 3


def with_special_remotes(directory: Path) -> None:
    farm(directory)
    for name, *options in (("d1",), ("d2", "exporttree=yes"), ("d3", "exporttree=yes", "annexobjects=yes")):
        (directory / name).mkdir()
        where = ("type=directory", f"directory={directory / name}", "encryption=none")
        succeed(theirs(directory / "gw", "initremote", "-q", name, *where, *options))
        git(directory / "gw", "config", f"remote.{name}.annex-cluster-node", "foo")


def test_special_remotes(tmp_path: Path) -> None:
    """Unlike git-annex we can't serve them, so that nobody may be told that we do."""
    with_special_remotes(tmp_path)
    gw = tmp_path / "gw"
    git(gw, "config", "remote.d1.annex-proxy", "true")
    for verb in ("updatecluster", "updateproxy"):
        done = ours(gw, verb)
        assert "d1 is a special remote, which only git-annex itself can serve yet. Cannot proxy to this" in done.err
        assert "d3 is a special remote, which only git-annex itself can serve yet. Cannot proxy to this" in done.err
        assert (
            "d2 is a special remote configured with exporttree=yes, but without annexobjects=yes. Cannot proxy to"
            in done.err
        )
    recorded = "".join([*log(gw, "cluster.log"), *log(gw, "proxy.log")])
    for name in ("d1", "d2", "d3"):
        assert value(gw, f"remote.{name}.annex-uuid") not in recorded
    git(gw, "config", "--unset", "remote.d1.annex-cluster-node")
    refused = ours(gw, "addnode", "foo", "d1")
    assert refused.code != 0
    assert "d1 is a special remote, which only git-annex itself can serve yet." in refused.err
    assert value(gw, "remote.d1.annex-cluster-node") == ""


def test_a_repository_that_was_replaced(gw: Path) -> None:
    """Where another repository lies now, its uuid is taken, as far as it could be one."""
    git(gw, "config", "remote.n1.annex-cluster-node", "foo")
    succeed(ours(gw, "updatecluster"))
    git(gw.parent / "n1", "config", "annex.uuid", "11111111-1111-4111-8111-111111111111")
    assert "Removed node" in succeed(ours(gw, "updatecluster"))
    assert value(gw, "remote.n1.annex-uuid") == "11111111-1111-4111-8111-111111111111"
    before = logs(gw)
    for hostile in ("two words", "a:b", value(gw, "annex.cluster.foo"), "x\ty"):
        git(gw.parent / "n1", "config", "annex.uuid", hostile)
        assert succeed(ours(gw, "updatecluster")) == UPDATED_ALREADY
        assert logs(gw) == before
    git(gw.parent / "n1", "config", "annex.uuid", "--global")
    succeed(ours(gw, "updatecluster"))
    assert value(gw, "remote.n1.annex-uuid") == "--global", "a text like any other"


def test_dead_nodes(gw: Path) -> None:
    """One that is configured stays a node, which is recorded once; the original records it each time anew."""
    git(gw, "config", "remote.n1.annex-cluster-node", "foo")
    git(gw, "config", "remote.n2.annex-cluster-node", "foo")
    succeed(ours(gw, "updatecluster"))
    succeed(theirs(gw, "dead", "n1"))
    before = tip(gw)
    assert succeed(ours(gw, "updatecluster")) == UPDATED_ALREADY
    assert tip(gw) == before
    git(gw, "config", "--unset", "remote.n1.annex-cluster-node")
    assert "No cluster node changes" in succeed(ours(gw, "updatecluster"))
    assert value(gw, "remote.n1.annex-uuid") in log(gw, "cluster.log")[0]
    git(gw, "config", "--unset", "remote.n2.annex-cluster-node")
    succeed(ours(gw, "updatecluster"))
    assert log(gw, "cluster.log") == [value(gw, "annex.cluster.foo") + " "]


def test_what_nobody_may_be_told_of(gw: Path) -> None:
    git(gw, "config", "remote.n1.annex-cluster-node", "foo")
    git(gw, "config", "remote.n1.annex-private", "true")
    done = ours(gw, "updatecluster")
    assert succeed(done) == "No cluster node changes for cluster: foo\nStarted proxying for foo\n"
    assert "n1 is private" in done.err
    assert succeed(ours(gw, "updatecluster")) == UPDATED_ALREADY
    assert value(gw, "remote.n1.annex-uuid") not in git(gw, "log", "-p", "git-annex")


def test_a_private_gateway(pair: Pair) -> None:
    """Its proxy.log stays at home."""
    pair.both("config", "annex.private", "true")
    pair.both("config", "remote.n1.annex-cluster-node", "foo")
    pair.alike("updatecluster")
    assert log(pair.ours, "proxy.log") == []
    assert (pair.ours / ".git/annex/journal-private/proxy.log").exists()


def test_names_that_clients_would_not_take(gw: Path) -> None:
    """The original records them each time anew, and nobody reads them."""
    git(gw, "remote", "rename", "n1", "no/de")
    git(gw, "config", "remote.no/de.annex-proxy", "true")
    done = ours(gw, "updateproxy")
    assert done.out == "Started proxying for foo\n"
    assert "no/de has a name that git-annex does not accept from others" in done.err
    assert "no/de" not in log(gw, "proxy.log")[0]


def test_the_gateway_itself_is_no_node(gw: Path) -> None:
    git(gw, "remote", "add", "me", ".")
    git(gw, "config", "remote.me.annex-cluster-node", "foo")
    done = ours(gw, "updatecluster")
    assert "me is this repository itself. Cannot use this remote as a cluster node." in done.err
    assert log(gw, "cluster.log") == []


def test_newer_than_what_was_pushed(gw: Path, tmp_path: Path) -> None:
    """What is recorded here wins over what is in a branch that nobody has merged, even from a clock that is ahead."""
    git(gw, "config", "remote.n1.annex-cluster-node", "foo")
    uuid = value(gw, "annex.uuid")
    other = make(tmp_path / "other", "other")
    git(other, "fetch", "-q", gw, "git-annex")
    git(other, "update-ref", "refs/remotes/gw/git-annex", "FETCH_HEAD")
    succeed(theirs(other, "merge"))
    (other / ".git/annex/journal/proxy.log").write_text(f"99999999999s {uuid} {uuid}:wrong\n")
    succeed(theirs(other, "merge"))
    git(other, "push", "-q", gw, "git-annex:refs/heads/synced/git-annex")
    succeed(theirs(other, "describe", "here", "again"))
    assert "Stopped proxying for wrong" in succeed(ours(gw, "updatecluster"))
    assert succeed(ours(gw, "updatecluster")) == UPDATED_ALREADY
    (other / ".git/annex/journal/proxy.log").write_text(f"999999999999s {uuid} {uuid}:again\n")
    succeed(theirs(other, "merge"))
    git(other, "push", "-q", "-f", gw, "git-annex:refs/heads/synced/git-annex")
    assert "Stopped proxying for again" in succeed(ours(gw, "updatecluster")), "though our own branch is right"
    assert succeed(ours(gw, "updatecluster")) == UPDATED_ALREADY
    succeed(theirs(gw, "merge"))
    assert succeed(theirs(gw, "updatecluster")) == UPDATED_ALREADY


def test_what_the_disk_refuses(gw: Path) -> None:
    (gw / ".git/annex/journal").rmdir()
    (gw / ".git/annex/journal").touch()
    done = ours(gw, "updatecluster")
    assert done.code == 1
    assert done.err == f"annexshell: Not a directory: {gw}/.git/annex/journal\n"


def test_usage(gw: Path, tmp_path: Path) -> None:
    for verb in ("updatecluster", "updateproxy"):
        assert ours(gw, verb, "extra").code == theirs(gw, verb, "extra").code == 1
    uninitialised = ours(gw.parent / "plain", "updatecluster")
    assert (uninitialised.code, uninitialised.err) == (1, "annexshell: First run: annexshell init\n")
    nowhere = ours(tmp_path, "updatecluster", "--repo", "nosuch")
    assert (nowhere.code, nowhere.err) == (1, f"annexshell: {tmp_path}/nosuch is not in a git repository\n")
    (gw / "deep" / "down").mkdir(parents=True)
    assert succeed(ours(gw / "deep" / "down", "updatecluster")).endswith("Started proxying for foo\n")
    assert succeed(ours(tmp_path, "updatecluster", f"--repo={gw}")) == UPDATED_ALREADY
