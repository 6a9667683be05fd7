"""The real git-annex uses what is behind our gateways, and behind chains of ours and the original's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.oracle.test_testremote import passes
from tests.support.admin import git, ours, succeed
from tests.support.sshd import Account, Sshd


class Site:
    """A machine with a gateway `gw` of the cluster `foo`, and nodes for it: some beside it, some reached over ssh."""

    def __init__(self, account: Account, home: Path, path: str, names: dict[str, bool]) -> None:
        self._account = account
        self._home = home
        self._path = path
        self.servers = {name: self._server(name) for name in ("gw", *names)}
        self.gateway = self.servers["gw"]
        for name, is_distant in names.items():
            node = self.servers[name].path
            git(self.gateway.path, "remote", "add", name, account.url(node) if is_distant else node)

    def _server(self, name: str) -> Server:
        path = self._home / name
        path.parent.mkdir(exist_ok=True)
        git(path.parent, "init", "-q", "--bare", path)
        succeed(ours(path, "init", name, HOME=str(self._account.home), PATH=self._path))
        return Server(path, self._account.home)

    @property
    def url(self) -> str:
        return self._account.url(self.gateway.path)

    def admin(self, *args: str) -> str:
        return succeed(ours(self.gateway.path, *args, HOME=str(self._account.home), PATH=self._path))

    def add_nodes(self) -> None:
        for name in self.servers:
            if name != "gw":
                self.admin("addnode", "foo", name)

    def uuid(self, name: str) -> str:
        return self.servers[name].uuid

    def objects(self, *names: str) -> list[set[str]]:
        return [self.servers[name].objects() for name in names]


@pytest.fixture
def site(account: Callable[..., Account], sshd: Sshd, programs: Path, shell: Path) -> Callable[..., Site]:
    """site(NAME, node=is_distant...) with our program or, if asked for, the original's as git-annex-shell."""
    path = f"{sshd.ssh_directory}:{programs}:/usr/local/bin:/usr/bin:/bin"

    def make(name: str, program: Path = shell, **nodes: bool) -> Site:
        me = account(program, PATH=path)
        return Site(me, me.home / name, path, nodes)

    return make


def cluster_of(site: Site) -> str:
    return git(site.gateway.path, "config", "annex.cluster.foo").strip()


@pytest.fixture
def ams(site: Callable[..., Site]) -> Site:
    """A gateway of ours to a local node and one over ssh."""
    made = site("ams", n1=False, n2=True)
    made.admin("initcluster", "foo")
    made.add_nodes()
    return made


def check(*sites: Site) -> None:
    for site in sites:
        for server in site.servers.values():
            server.check(lost=True)


def client_of(site: Site, clone: Callable[..., Clone]) -> Clone:
    there = clone(site.url)
    there.git("config", "annex.sshcaching", "false")
    there.annex("sync", "-q")
    return there


@pytest.mark.parametrize("remote", ["origin-n1", "origin-n2", "origin-foo"])
def test_testremote(remote: str, ams: Site, clone: Callable[..., Clone]) -> None:
    there = client_of(ams, clone)
    assert passes(there, "--fast", remote=remote) > 60
    assert ams.objects("n1", "n2") == [set(), set()]
    check(ams)


def test_what_the_client_sees(ams: Site, clone: Callable[..., Clone]) -> None:
    """Nodes are copies, the cluster is none, and locks on nodes let content be dropped."""
    there = client_of(ams, clone)
    n1, n2, cluster = ams.uuid("n1"), ams.uuid("n2"), cluster_of(ams)
    keys = there.add(["one", "two"], size=200_000)
    there.annex("copy", "-q", "one", "--to", "origin-foo")
    assert there.whereis("one") == {there.uuid, n1, n2, cluster}
    assert "3 copies" in there.annex("whereis", "one")
    there.annex("push", "-q", "--content")
    gateway = ams.uuid("gw")
    assert there.whereis("one") == there.whereis("two") == {there.uuid, gateway, n1, n2, cluster}
    assert ams.objects("gw", "n1", "n2") == [set(keys.values())] * 3
    there.annex("drop", "-q", "one", "--numcopies=3")
    assert not there.has("one")
    there.fail_git("annex", "drop", "one", "--from", "origin-n1", "--numcopies=3")
    there.annex("drop", "-q", "one", "--from", "origin-n1")
    assert there.whereis("one") == {gateway, n2, cluster}
    there.annex("drop", "-q", "one", "--from", "origin")
    there.annex("get", "-q", "one", "--from", "origin-foo")
    there.annex("drop", "-q", "one", "--from", "origin-foo")
    assert there.whereis("one") == {there.uuid}
    there.annex("sync", "-q", "--content")
    assert ams.objects("n1", "n2") == [set(keys.values())] * 2
    info = json.loads(there.annex("info", "origin-n2", "--json"))
    assert info["remote annex keys"] == 2
    check(ams)


def test_a_node_that_is_down(ams: Site, clone: Callable[..., Clone]) -> None:
    there = client_of(ams, clone)
    keys = there.add(["one"])
    git(ams.gateway.path, "config", "remote.n2.url", "ssh://unreachable/srv/n2")
    there.annex("copy", "-q", "one", "--to", "origin-foo")
    assert there.whereis("one") == {there.uuid, ams.uuid("n1"), cluster_of(ams)}
    assert ams.objects("n1", "n2") == [set(keys.values()), set()]
    there.annex("drop", "-q", "one")
    there.annex("get", "-q", "one")
    assert there.has("one")
    assert there.json("drop", "one", "--from", "origin-foo")[0]["success"] is False, "n2 may have it"
    assert there.whereis("one") == {there.uuid}, "it is known what was removed all the same"


@pytest.mark.parametrize(("front", "back"), [("ours", "ours"), ("ours", "original"), ("original", "ours")])
def test_two_gateways(
    front: str, back: str, site: Callable[..., Site], programs: Path, shell: Path, clone: Callable[..., Clone]
) -> None:
    """A client of the one uses the nodes behind the other, and the cluster that both serve."""
    program = {"ours": shell, "original": programs / "git-annex-shell"}
    ams, nyc = site("ams", program[back], n1=False), site("nyc", program[front], n3=False)
    ams.admin("initcluster", "foo")
    ams.add_nodes()
    for site_, name, other in ((nyc, "AMS", ams), (ams, "NYC", nyc)):
        git(site_.gateway.path, "remote", "add", name, other.url)
        git(site_.gateway.path, "config", f"remote.{name}.annex-uuid", other.gateway.uuid)
        git(site_.gateway.path, "fetch", "-q", name)
        site_.admin("extendcluster", name, "foo")
        site_.add_nodes()
    git(nyc.gateway.path, "fetch", "-q", "AMS")
    nyc.admin("updatecluster")

    there = client_of(nyc, clone)
    n1, n3, cluster = ams.uuid("n1"), nyc.uuid("n3"), cluster_of(nyc)
    assert cluster == cluster_of(ams)
    keys = there.add(["one", "two"], size=100_000)
    there.annex("copy", "-q", "one", "--to", "origin-foo")
    assert there.whereis("one") == {there.uuid, n1, n3, cluster}
    there.annex("copy", "-q", "two", "--to", "origin-AMS-n1")
    assert [*ams.objects("n1"), *nyc.objects("n3")] == [set(keys.values()), {keys["one"]}]
    there.annex("drop", "-q", "one", "two")
    there.annex("get", "-q", "one", "--from", "origin-foo")
    there.annex("drop", "-q", "one", "--from", "origin-n3")
    there.annex("get", "-q", "two", "--from", "origin-foo")
    there.annex("drop", "-q", "one", "two", "--from", "origin-foo")
    assert there.whereis("one") == there.whereis("two") == {there.uuid}
    assert [*ams.objects("n1"), *nyc.objects("n3")] == [set(), set()]
    assert passes(there, "--fast", remote="origin-AMS-n1") > 60
    if front == back:
        assert passes(there, "--fast", remote="origin-foo") > 60
    check(ams, nyc)
