"""The real git-annex as a client of our server in a P2P network."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.conftest import ROOT
from tests.oracle.clients import Clone
from tests.oracle.servers import objects
from tests.repo.places import make_repo
from tests.support.p2pnet import OURS, Daemon, Network
from tests.support.real import Repo, run

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


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

    def fail(self, *args: str) -> str:
        """What a verb says that has to fail."""
        done = subprocess.run([*OURS, *args], cwd=self.repo.path, env=self.network.env, capture_output=True, text=True)
        assert done.returncode != 0
        return done.stderr

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


def connect(peer: Peer, token: str) -> BinaryIO:
    """What is said to somebody who connects with a token."""
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(20)
    connected.connect(str(peer.network.socket))
    connected.sendall(b"AUTH me %b\n" % token.encode())
    with connected:
        return connected.makefile("rb")


def token_of(client: Clone) -> str:
    (path,) = (client.path / ".git/annex/creds").iterdir()
    return path.read_text()


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


def test_a_clone_by_git_alone(peer: Peer, daemon: Daemon, tmp_path: Path) -> None:
    """Who is no repository of git-annex yet has no uuid to give."""
    peer.repo.add("file", b"x")
    url, _, token = peer.address().rpartition(":")
    env = {**peer.network.env, "GIT_ANNEX_P2P_AUTHTOKEN": token}
    run("git", "clone", "-q", url, tmp_path / "cloned", env=env, timeout=60)
    assert (tmp_path / "cloned" / "file").is_symlink()
    done = subprocess.run(
        ["git", "ls-remote", url], env=env | {"GIT_ANNEX_P2P_AUTHTOKEN": "wrong"}, capture_output=True
    )
    assert done.returncode != 0
    assert b"authentication failed" in done.stderr


def test_many_fetches(peer: Peer, daemon: Daemon) -> None:
    """None loses the end of what git says."""
    client = peer.client()
    for number in range(10):
        peer.repo.git("commit", "-q", "--allow-empty", "-m", f"{number}")
        run("git", "fetch", "-q", "peer", cwd=client.path, env=client.env, timeout=30)
        assert client.git("rev-parse", "peer/master") == peer.repo.git("rev-parse", "master")


def test_hooks_speak_to_who_pushes(peer: Peer, daemon: Daemon) -> None:
    peer.repo.add("file", b"x")
    hook = peer.repo.git_dir / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\ntest -z "$GIT_PROTOCOL" && echo not on a Sunday && exit 1\n')
    hook.chmod(0o755)
    client = peer.client()
    client.git("fetch", "-q", "peer")
    said = client.fail_git("push", "peer", "peer/master:refs/heads/other")
    assert "remote: not on a Sunday" in said
    assert "pre-receive hook declined" in said


def test_a_service_that_fails(peer: Peer, daemon: Daemon) -> None:
    """Neither git nor its helper waits for ever."""
    client = peer.client()
    peer.repo.git("config", "uploadpack.keepAlive", "long")
    done = subprocess.run(["git", "fetch", "peer"], cwd=client.path, env=client.env, capture_output=True, timeout=30)
    assert done.returncode != 0
    assert b"remote error: git has failed on the server" in done.stderr


def test_changes_are_fetched(peer: Peer, daemon: Daemon) -> None:
    """By a client whose remotedaemon waits for them; it hears of several, one after the other."""
    client = peer.client()
    listening = subprocess.Popen(
        ["git", "annex", "remotedaemon", "--foreground"], cwd=client.path, env=client.env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with listening:
        assert listening.stdin is not None
        assert listening.stdout is not None
        assert listening.stdout.readline() == f"CONNECTED {peer.network.url}\n"
        for name in ("one", "two"):
            value = peer.repo.git("commit-tree", "-m", name, _EMPTY_TREE).strip()
            peer.repo.git("update-ref", f"refs/heads/{name}", value)
            assert listening.stdout.readline() == f"SYNCING {peer.network.url}\n"
            assert listening.stdout.readline() == f"DONESYNCING {peer.network.url} 1\n"
            assert client.git("rev-parse", f"peer/{name}").strip() == value
        listening.stdin.write("STOP\n")
        listening.stdin.flush()
        assert listening.wait(20) == 0


def test_what_tokens_allow(peer: Peer, daemon: Daemon) -> None:
    here = peer.repo.add("here", b"x")
    reader = peer.client("--access=read-only", "--name=reader", name="reader")
    reader.annex("pull", "-q")
    reader.annex("get", "-q", "here")
    mine = reader.add(["mine"])["mine"]
    assert reader.try_annex("copy", "--to=peer", "mine").returncode == 1
    assert "this repository is read-only; write access denied" in reader.try_annex("drop", "--from=peer", "here").stderr
    assert "remote error: this repository is read-only" in reader.fail_git("push", "peer", "master")
    adder = peer.client("--access=append-only", name="adder")
    adder.annex("pull", "-q")
    added = adder.add(["added"])["added"]
    adder.annex("copy", "-q", "--to=peer", "added")
    adder.git("push", "-q", "peer", "HEAD:refs/heads/more")
    assert "deletion prohibited" in adder.fail_git("push", "peer", ":refs/heads/more")
    assert "append-only; removal denied" in adder.try_annex("drop", "--from=peer", "added").stderr
    assert objects(peer.repo.annex_dir) >= {here, added}
    assert mine not in objects(peer.repo.annex_dir)
    # git annex remotedaemon would not know what they are not allowed.
    assert (peer.repo.annex_dir / "creds/p2pauth").exists() is False
    listed = peer.ours("p2p", "--tokens").splitlines()
    assert [line.split("  ")[1] for line in listed] == ["append-only", "read-only"]
    assert listed[1].startswith("reader  ")


def test_a_token_that_is_revoked(peer: Peer, daemon: Daemon) -> None:
    """Also if somebody is connected by it."""
    keep, lose = peer.client("--name=keep", name="keep"), peer.client("--name=lose", name="lose")
    with connect(peer, token_of(lose)) as connected:
        assert connected.readline().startswith(b"AUTH-SUCCESS ")
        peer.ours("p2p", "--revoke=lose", "-q")
        assert connected.readline() == b""
    lose.fail_git("fetch", "peer")
    keep.annex("pull", "-q")
    assert "there is no token called lose" in peer.fail("p2p", "--revoke=lose")


def test_both_programs_take_one_another_s_tokens(peer: Peer) -> None:
    """But those that are limited, which git-annex would not heed."""
    theirs = peer.network.join(peer.repo)
    limited = peer.address("--access=read-only")
    full = peer.address()
    for served in (peer.network.serve, peer.network.serve_by_us):
        daemon = served(peer.repo)
        let_in = []
        for token in (theirs, full.rpartition(":")[2], limited.rpartition(":")[2]):
            with connect(peer, token) as connected:
                let_in.append(connected.readline().startswith(b"AUTH-SUCCESS "))
        assert let_in == [True, True, served == peer.network.serve_by_us]
        daemon.stop()


def test_a_cluster_behind_a_gateway(peer: Peer, daemon: Daemon, tmp_path: Path) -> None:
    """What git-annex's own server can't do: a token leads to it."""
    nodes = [Repo(tmp_path / name) for name in ("one", "two")]
    for node in nodes:
        peer.repo.git("remote", "add", node.path.name, str(node.path))
        peer.ours("initcluster", "both", "-q")
        peer.ours("addnode", "both", node.path.name, "-q")
    peer.ours("updatecluster", "-q")
    cluster = peer.repo.git("config", "annex.cluster.both").strip()
    path = tmp_path / "client"
    run("git", "init", "-q", path)
    client = Clone(path, peer.network.programs)
    client.env |= peer.network.env
    client.annex("init", "-q", "client")
    address = peer.address(f"--for={cluster}").encode()
    run("git", "annex", "p2p", "--link", "--name=both", cwd=path, env=client.env, input=address)
    assert client.git("config", "remote.both.annex-uuid").strip() == cluster
    client.annex("pull", "-q")
    key = client.add(["file"], 100_000)["file"]
    client.annex("move", "-q", "--to=both", "file")
    assert all(objects(node.annex_dir) == {key} for node in nodes)
    client.annex("get", "-q", "file")
    client.annex("drop", "-q", "--from=both", "--force", "file")
    assert not any(objects(node.annex_dir) for node in nodes)
    client.annex("push", "-q")
    assert daemon.said.count("\n") == 1, daemon.said
