"""initcluster, side by side with the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.admin import Pair, copied, farm, git, log, ours, succeed, theirs, tip, value


@pytest.fixture
def gw(tmp_path: Path) -> Path:
    return copied(farm, tmp_path / "farm") / "gw"


def test_a_new_cluster(tmp_path: Path) -> None:
    pair = Pair(farm, "gw", tmp_path)
    for command in (
        ["bar"],
        ["bar", "a second time"],
        ["with.dots"],
        ["described", "line one\nline two \t timestamp=5s"],
        ["empty", ""],
        ["raw", b"\xff\xfe"],
        ["--", "dashed-name"],
        ["-q", "silent"],
        ["foo"],
    ):
        real, done = theirs(pair.theirs, "initcluster", *command), ours(pair.ours, "initcluster", *command)
        assert (done.code, done.out) == (real.code, real.out), command
    names = [re.sub("=.*", "", line) for line in git(pair.ours, "config", "--list").splitlines()]
    assert names == [re.sub("=.*", "", line) for line in git(pair.theirs, "config", "--list").splitlines()]
    described = [sorted(line[37:] for line in log(side, "uuid.log")) for side in (pair.ours, pair.theirs)]
    assert described[0] == described[1]
    uuid = value(pair.ours, "annex.cluster.bar")
    assert re.fullmatch("ac[0-9a-f]{6}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", uuid)
    assert uuid != value(pair.ours, "annex.cluster.foo")


def test_either_goes_on_with_the_other(gw: Path) -> None:
    succeed(ours(gw, "initcluster", "bar"))
    before, uuid = tip(gw), value(gw, "annex.cluster.bar")
    assert succeed(theirs(gw, "initcluster", "bar")) == "initcluster bar ok\n"
    assert succeed(ours(gw, "initcluster", "foo")) == "initcluster foo ok\n"
    assert (tip(gw), value(gw, "annex.cluster.bar")) == (before, uuid)
    git(gw, "config", "remote.n1.annex-cluster-node", "foo bar")
    assert "Added node n1 to cluster: bar" in succeed(theirs(gw, "updatecluster"))
    assert "No proxy changes" in succeed(ours(gw, "updatecluster"))


@pytest.mark.parametrize(
    "name", ["", "-x", "--", "a b", "a/b", ".x", "a\nb", "a=b", b"\xff", "a:b", "../x", "a\x1b[31m"]
)
def test_names_that_are_refused(gw: Path, name: str | bytes) -> None:
    before = (gw / ".git/config").read_bytes()
    done = ours(gw, "initcluster", "--", name)
    assert (done.code, done.err) == (1, "annexshell: That cluster name is not a valid git remote name.\n")
    assert done.out == theirs(gw, "initcluster", "--", name).out
    assert (gw / ".git/config").read_bytes() == before


@pytest.mark.parametrize("name", ["ü", "x_y", "1x", "x.", "x.1", "²", "x.y_z"])
def test_names_that_git_can_not_keep(gw: Path, name: str) -> None:
    """The original finds out when git refuses them."""
    assert theirs(gw, "initcluster", name).code == 1
    done = ours(gw, "initcluster", name)
    assert done.code == 1
    assert done.err == (
        f"annexshell: git config can't hold the cluster name {name};"
        " use letters, digits and -, beginning with a letter\n"
    )


def test_capital_letters(gw: Path) -> None:
    """git has none in such a place. Done twice, the original makes another cluster of it, and loses the first."""
    done = ours(gw, "initcluster", "MyCluster")
    assert "so the cluster is called mycluster." in done.err
    uuid = value(gw, "annex.cluster.mycluster")
    assert uuid
    succeed(ours(gw, "initcluster", "MyCluster"))
    assert value(gw, "annex.cluster.mycluster") == uuid
    assert "Added node n1 to cluster: mycluster" in succeed(ours(gw, "addnode", "MYCLUSTER", "n1"))
    assert "No cluster node changes for cluster: mycluster" in succeed(theirs(gw, "updatecluster"))


def test_the_name_of_a_remote(gw: Path) -> None:
    done = ours(gw, "initcluster", "n1")
    assert done.code == 0
    assert "There is a remote n1 too." in done.err


def test_usage(gw: Path) -> None:
    for params in ([], ["a", "b", "c"], ["--json", "a"]):
        done = ours(gw, "initcluster", *params)
        assert (done.code, done.out) == (theirs(gw, "initcluster", *params).code, "")
