"""Nodes in P2P networks, served by the real git annex remotedaemon."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from annexshell.errors import NodeError, NodeFailed
from annexshell.model.p2p import P2PAddress, parse_p2p_url
from annexshell.model.remote import P2P, Remote, classify
from annexshell.repo.nodes.p2p import address_of, auth_token, dial
from annexshell.repo.nodes.peer import PeerRepository
from annexshell.repo.port import Repository
from annexshell.store.removal import boot_time
from tests.conftest import CLIENT_UUID, ROOT
from tests.repo.conformance import Backing, User, key_of
from tests.repo.distant import DistantConformance
from tests.repo.places import make_repo
from tests.repo.reached import dialer
from tests.support.p2pnet import ADDRESS, NETWORK, URL, Network
from tests.support.real import Repo, run

NET, ADDR = NETWORK.encode(), ADDRESS.encode()


class Place:
    """A network, and a repository that may be served in it."""

    def __init__(self, directory: Path) -> None:
        self.network = Network(directory)
        self.repo = make_repo(directory / "node")
        self.uuid = self.repo.uuid.encode()
        self.token = self.network.join(self.repo)

    def connect(self, net: bytes = NET, address: bytes = ADDR, token: str | None = None) -> PeerRepository:
        authenticate = (CLIENT_UUID.encode(), (self.token if token is None else token).encode())
        return PeerRepository(
            self.uuid, "node", lambda: dial(dialer(), "node", P2PAddress(net, address)), boot_time, authenticate
        )

    def connect_to_socket(self) -> PeerRepository:
        return self.connect(b"unix", os.fsencode(self.network.socket))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[Place]:
    patch = pytest.MonkeyPatch()
    patch.setenv("PATH", str(programs), prepend=":")
    yield Place(tmp_path_factory.mktemp("p2p"))
    patch.undo()


@pytest.fixture
def served(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("PATH", str(place.network.programs), prepend=":")
    daemon = place.network.serve(place.repo)
    yield place
    daemon.stop()


class BehindSocket(Backing):
    """The repository, which is empty at first, behind the socket that the daemon listens on."""

    locked = too_late = (NodeFailed, NodeError)

    def __init__(self, served: Place) -> None:
        for name in ("objects", "tmp", "bad"):
            shutil.rmtree(served.repo.annex_dir / name, ignore_errors=True)
        self._served = served

    def open(self) -> Repository:
        return self._served.connect_to_socket()

    def settle(self, repository: Repository) -> None:
        repository.timestamp()


class TestUnixSocket(DistantConformance):
    @pytest.fixture
    def backing(self, served: Place) -> Backing:
        return BehindSocket(served)

    @pytest.mark.skip("git-annex says that content is invalid which was removed while it was sent")
    def test_a_removal_does_not_disturb_who_is_reading(self, user: User) -> None:
        pass

    @pytest.mark.skip("git-annex unlocks at the end of a connection")
    def test_what_was_promised_outlives_later_locks(self, users: tuple[User, User]) -> None:
        pass

    @pytest.mark.skip("git-annex unlocks at the end of a connection")
    def test_whoever_is_gone_may_still_rely_on_the_lock(self, users: tuple[User, User]) -> None:
        pass


class TestOurServer(DistantConformance):
    """The same behind ours, which keeps what is locked."""

    @pytest.fixture
    def backing(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backing]:
        monkeypatch.setenv("PATH", str(place.network.programs), prepend=":")
        daemon = place.network.serve_by_us(place.repo, PYTHONPATH=str(ROOT))
        shutil.rmtree(place.repo.annex_dir / "annexshell", ignore_errors=True)
        yield BehindSocket(place)
        daemon.stop()


def test_through_the_program_of_the_network(served: Place) -> None:
    repository = served.connect()
    assert not repository.present(key_of(b"never stored"))
    repository.close()


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_token_that_is_wrong(served: Place, token: str) -> None:
    with pytest.raises(NodeError, match="it does not let us in"):
        served.connect(token=token).timestamp()


@pytest.mark.parametrize(
    ("net", "address", "words"),
    [
        (b"none", b"x", "git-annex-p2p-none could not be started"),
        (NET, b"nowhere", "it closed the connection: nobody is at that address"),
        (b"unix", b"/nonexistent", "its socket /nonexistent can't be used: no such file or directory"),
        (b"unix", b"/" + b"x" * 200, "can't be used: AF_UNIX path too long"),
    ],
)
def test_nobody_there(served: Place, net: bytes, address: bytes, words: str) -> None:
    with pytest.raises(NodeError, match=words):
        served.connect(net, address).timestamp()


def test_a_socket_on_which_nobody_takes_connections(served: Place, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(path)
            with pytest.raises(NodeError, match="too busy"):
                served.connect(b"unix", path).timestamp()


# Addresses and tokens


def remote(url: bytes) -> Remote:
    return Remote("node", b"uuid", *classify(url), {})


def test_urls() -> None:
    assert remote(b"p2p-annex::iroh:endpoint:1").kind == P2P
    assert address_of(remote(b"p2p-annex::iroh:endpoint:1")) == P2PAddress(b"iroh", b"endpoint:1")
    assert remote(b"tor-annex::abc.onion:1").kind == P2P
    for url in (b"p2p-annex::", b"p2p-annex::iroh", b"tor-annex::abc.onion"):
        with pytest.raises(NodeError, match="not of the form"):
            address_of(remote(url))


def test_the_token_that_git_annex_keeps(served: Place, tmp_path: Path) -> None:
    """`git annex p2p --link` stores it, under a name that is made from the address."""
    ours = Repo(tmp_path / "repo")
    run(
        "git",
        "annex",
        "p2p",
        "--link",
        "--name=node",
        cwd=ours.path,
        input=f"{URL}:{served.token}\n".encode(),
    )
    assert ours.git("config", "remote.node.url").strip() == URL
    annex_dir = os.fsencode(ours.annex_dir)
    address = parse_p2p_url(ours.git("config", "remote.node.url").strip().encode())
    assert address is not None
    assert auth_token(annex_dir, {}, address) == served.token.encode()
    assert auth_token(annex_dir, {}, P2PAddress(address.network, address.place + b"x")) == b""
    env = {b"GIT_ANNEX_P2P_AUTHTOKEN": b"ABC1"}
    assert auth_token(annex_dir, env, address) == b"abc1"


def test_a_token_that_is_none(tmp_path: Path) -> None:
    """It could be the end of a line, and then anything else."""
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "net%3Aa%2D%C3%A9".replace("%C3%A9", "é")).write_text("not a token\n")
    assert auth_token(os.fsencode(tmp_path), {}, P2PAddress(b"net", "a-é".encode())) == b""
    (tmp_path / "creds" / "net%3Aa%2Dé").write_text("Token1\nmore\n")
    assert auth_token(os.fsencode(tmp_path), {}, P2PAddress(b"net", "a-é".encode())) == b"token1"
