"""Nodes that are reached over HTTP and through a P2P network, which no gateway of git-annex can: a real client, our
gateway, and git-annex's own servers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.oracle.test_testremote import passes
from tests.repo.places import waiting_for
from tests.support.admin import git, ours, succeed
from tests.support.p2phttp import P2pHttp
from tests.support.p2pnet import ADDRESS, NETWORK, URL, Network
from tests.support.real import Repo
from tests.support.sshd import Account, Sshd


class Gateway:
    """Our gateway, with a node of each kind, of which clients know."""

    def __init__(self, me: Account, path: str, nodes: dict[str, Server]) -> None:
        self.me = me
        self.path = me.home / "gateway"
        self.nodes = nodes
        self._path = path
        git(me.home, "init", "-q", "--bare", self.path)
        self.annexshell("init", "the gateway")

    def annexshell(self, *args: str) -> str:
        return succeed(ours(self.path, *args, HOME=str(self.me.home), PATH=self._path))

    def add(self, name: str, url: str, **settings: str) -> None:
        git(self.path, "remote", "add", name, url)
        for setting, value in {"annex-uuid": self.nodes[name].uuid, "annex-proxy": "true", **settings}.items():
            git(self.path, "config", f"remote.{name}.{setting}", value)


@pytest.fixture
def gateway(account: Callable[..., Account], sshd: Sshd, programs: Path, tmp_path: Path) -> Iterator[Gateway]:
    network = Network(tmp_path)
    path = f"{network.programs}:{sshd.ssh_directory}:/usr/local/bin:/usr/bin:/bin"
    me = account(has_git_annex=False, PATH=path)
    served = tmp_path / "served"
    served.mkdir()
    nodes = {"http": Server(Repo(served / "http").path, served), "p2p": Server(Repo(tmp_path / "p2p").path, tmp_path)}
    token = network.join(nodes["p2p"].repo)
    http = P2pHttp(served, "--wideopen")
    daemon = network.serve(nodes["p2p"].repo)
    gateway = Gateway(me, path, nodes)
    gateway.add("http", f"http://127.0.0.1:{http.port}/", annexUrl=http.url)
    gateway.add("p2p", URL)
    creds = gateway.path / "annex" / "creds"
    creds.mkdir()
    (creds / f"{NETWORK}%3A{ADDRESS}".replace(":", "%3A").replace(" ", "%20")).write_text(token)
    yield gateway
    daemon.stop()
    http.stop()


@pytest.fixture
def client(gateway: Gateway, clone: Callable[..., Clone]) -> Clone:
    gateway.annexshell("updateproxy")
    there = clone(gateway.me.url(gateway.path))
    there.git("config", "annex.sshcaching", "false")
    there.annex("sync", "-q")
    return there


@pytest.mark.parametrize("kind", ["http", "p2p"])
def test_a_node(gateway: Gateway, client: Clone, kind: str) -> None:
    node, name = gateway.nodes[kind], f"origin-{kind}"
    names = ["a file", "ä%[x]"]
    keys = client.add(names, size=200_000)
    client.annex("copy", "-q", "--to", name, *names)
    assert node.objects() == set(keys.values())
    assert client.whereis("a file") == {client.uuid, node.uuid}
    client.annex("drop", "-q", *names)  # only while the node has its copies locked
    client.annex("fsck", "-q", "--fast", "--from", name)
    client.annex("get", "-q", "--from", name, *names)
    assert all(client.has(file) for file in names)
    client.annex("copy", "-q", "--to", name, "a file")
    client.annex("drop", "-q", "--from", name, "a file")
    assert node.objects() == {keys["ä%[x]"]}
    client.annex("move", "-q", "--from", name, "ä%[x]")
    assert not node.objects()


@pytest.mark.parametrize("kind", ["http", "p2p"])
def test_testremote(gateway: Gateway, client: Clone, kind: str) -> None:
    assert passes(client, "--fast", remote=f"origin-{kind}") > 60
    assert not gateway.nodes[kind].objects()


@pytest.mark.parametrize("kind", ["http", "p2p"])
def test_an_interrupted_upload_goes_on(gateway: Gateway, client: Clone, kind: str) -> None:
    node, name = gateway.nodes[kind], f"origin-{kind}"
    key = client.add(["large"], size=6_000_000)["large"]
    partial = node.annex_dir / "tmp" / key
    slowly = ["git", "-c", "annex.bwlimit-upload=2MB", "annex", "copy", "--to", name, "large"]
    copying = subprocess.Popen(slowly, cwd=client.path, env=client.env, start_new_session=True)
    waiting_for(lambda: partial.exists() and partial.stat().st_size > 500_000)
    os.killpg(copying.pid, signal.SIGKILL)
    copying.wait()
    said: list[str] = []

    def is_copied() -> bool:
        """Not before the node knows that the other one is gone."""
        done = client.try_annex("copy", "--debug", "--to", name, "large")
        said.append(done.stderr)
        return done.returncode == 0

    waiting_for(is_copied)
    (offset,) = re.findall(r"< PUT-FROM (\d+)", said[-1])
    assert 500_000 < int(offset) < 6_000_000
    assert node.objects() == {key}
    client.annex("drop", "-q", "large")
    client.annex("get", "-q", "--from", name, "large")


def test_a_cluster_of_both(gateway: Gateway, client: Clone) -> None:
    gateway.annexshell("initcluster", "both")
    for kind in gateway.nodes:
        gateway.annexshell("addnode", "both", kind)
    client.git("fetch", "-q", "origin")
    key = client.add(["a file"], size=3_000_000)["a file"]
    client.annex("copy", "-q", "--to", "origin-both", "a file")
    for node in gateway.nodes.values():
        assert node.objects() == {key}
    client.annex("drop", "-q", "a file")
    client.annex("get", "-q", "--from", "origin-both", "a file")
    client.annex("drop", "-q", "--from", "origin-both", "a file")
    assert not any(node.objects() for node in gateway.nodes.values())
