"""A gateway that is set up by annexshell alone, on a server without git-annex, and used by the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.support.admin import git, ours, succeed, value
from tests.support.sshd import Account, Sshd


def test_a_cluster(account: Callable[..., Account], sshd: Sshd, clone: Callable[..., Clone], tmp_path: Path) -> None:
    """One node lies on the gateway's machine, the other one is reached over ssh, and asked for its uuid."""
    path = f"{sshd.ssh_directory}:/usr/local/bin:/usr/bin:/bin"
    me = account(has_git_annex=False, PATH=path)

    def annexshell(name: str, *args: str) -> str:
        return succeed(ours(me.home / name, *args, HOME=str(me.home), PATH=path))

    for name in ("gw", "n1", "n2"):
        git(tmp_path, "init", "-q", "--bare", me.home / name)
        annexshell(name, "init", f"the repository {name}")
    servers = {name: Server(me.home / name, me.home) for name in ("gw", "n1", "n2")}
    gateway = servers["gw"].path
    git(gateway, "remote", "add", "n1", servers["n1"].path)
    git(gateway, "remote", "add", "n2", me.url(servers["n2"].path))
    annexshell("gw", "initcluster", "foo")
    annexshell("gw", "addnode", "foo", "n1")
    assert "Added node n2 to cluster: foo" in annexshell("gw", "addnode", "foo", "n2")
    assert value(gateway, "remote.n2.annex-uuid") == servers["n2"].uuid

    there = clone(me.url(gateway))
    there.git("config", "annex.sshcaching", "false")
    there.annex("sync", "-q")
    keys = there.add(["a file"])
    there.annex("sync", "-q")
    info = there.annex("info", "origin")
    assert "gateway to cluster: origin-foo\n" in info
    assert sorted(info.partition("proxying: ")[2].splitlines()[0].split()) == ["origin-n1", "origin-n2"]
    there.annex("copy", "-q", "a file", "--to", "origin-foo")
    assert servers["n1"].objects() == servers["n2"].objects() == set(keys.values())
    cluster = value(gateway, "annex.cluster.foo")
    assert there.whereis("a file") == {there.uuid, cluster, servers["n1"].uuid, servers["n2"].uuid}
    facts = json.loads(there.annex("info", "origin-foo", "--json"))
    assert (facts["uuid"], facts["description"], facts["proxied"]) == (cluster, "cluster foo [origin-foo]", "true")

    annexshell("gw", "renamecluster", "foo", "bar")
    annexshell("gw", "removenode", "bar", "n2")
    there.git("fetch", "-q", "origin")
    there.annex("drop", "-q", "a file")
    there.annex("get", "-q", "a file", "--from", "origin-bar")
    assert there.has("a file")
    info = there.annex("info", "origin")
    assert "gateway to cluster: origin-bar\n" in info
    assert "proxying: origin-n1\n" in info
    annexshell("gw", "removecluster", "bar")
    there.git("fetch", "-q", "origin")
    info = there.annex("info", "origin")
    assert "origin-bar" not in info
    assert "origin-n1" not in info
