"""The real git-annex as a client of our server in a P2P network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.oracle.clients import Clone
from tests.oracle.servers import objects
from tests.repo.places import make_repo
from tests.support.p2pnet import OURS, Daemon, Network
from tests.support.real import run


class Peer:
    """A repository that we serve in a network, whose clients have `env`."""

    def __init__(self, directory: Path, programs: Path) -> None:
        self.network = Network(directory, "place:1")
        self.network.env |= {
            "PATH": f"{self.network.programs}:{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        self.repo = make_repo(directory / "served")
        self.ours("p2p", "--enable=testing", "-q")
        self._directory = directory

    def ours(self, *args: str) -> str:
        return run(*OURS, *args, cwd=self.repo.path, env=self.network.env)

    def address(self, *options: str) -> str:
        """A new address, with its token."""
        return self.ours("p2p", "--gen-addresses", "-q", *options).strip()

    def client(self, *options: str, name: str = "client") -> Clone:
        """A client that has linked to us."""
        path = self._directory / name
        run("git", "init", "-q", path)
        clone = Clone(path, self.network.programs)
        clone.env |= self.network.env
        clone.annex("init", "-q", name)
        run(
            "git",
            "annex",
            "p2p",
            "--link",
            "--name=peer",
            cwd=path,
            env=clone.env,
            input=self.address(*options).encode(),
        )
        assert clone.git("config", "remote.peer.annex-uuid").strip() == self.repo.uuid
        return clone


@pytest.fixture
def peer(tmp_path: Path, programs: Path) -> Peer:
    return Peer(tmp_path, programs)


@pytest.fixture
def daemon(peer: Peer) -> Iterator[Daemon]:
    daemon = peer.network.serve_by_us(peer.repo)
    yield daemon
    daemon.stop()


def test_a_day_with_a_peer(peer: Peer, daemon: Daemon) -> None:
    key = peer.repo.add("theirs", b"hello\n")
    client = peer.client()
    client.annex("pull", "-q")
    client.annex("get", "-q", "theirs")
    assert (client.path / "theirs").read_text() == "hello\n"
    own = client.add(["ours"])["ours"]
    client.annex("copy", "-q", "--to=peer", "ours")
    client.annex("push", "-q")
    client.annex("drop", "-q", "ours", "theirs")
    assert not client.has("theirs")
    assert client.whereis("ours") == client.whereis("theirs") == {peer.repo.uuid}
    assert peer.repo.git("log", "-1", "--format=%s", "synced/git-annex")
    client.annex("fsck", "-q", "--fast", "--from=peer")
    assert {key, own} <= objects(peer.repo.annex_dir)
    client.annex("move", "-q", "--from=peer", "ours")
    assert own not in objects(peer.repo.annex_dir)
    assert daemon.said.count("\n") == 1, daemon.said
    assert daemon.end() == 0
