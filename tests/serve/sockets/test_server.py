"""The server as a process: crowds of strangers, limits, and its end."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.repo.places import make_repo
from tests.support.p2pnet import OURS, Daemon, Network
from tests.support.real import Repo, run

_PATIENCE = 20.0  # seconds


class Place:
    """A repository, and how to serve it."""

    def __init__(self, directory: Path) -> None:
        self.network = Network(directory, "place:1")
        self.network.env["PYTHONPATH"] = str(ROOT)
        self.repo: Repo = make_repo(directory / "served")
        self.ours("--enable=testing")
        self.token = self.ours("--gen-addresses").rpartition(":")[2]
        self._daemons: list[Daemon] = []

    def ours(self, *args: str) -> str:
        return run(*OURS, "p2p", "-q", *args, cwd=self.repo.path, env=self.network.env).strip()

    def serve(self, *options: str) -> Daemon:
        """Until there is no process but the server's: the network's program has done its work."""
        daemon = self.network.serve_by_us(self.repo, *options)
        self._daemons.append(daemon)
        until(lambda: sessions(daemon) == [])
        return daemon

    def connect(self) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(_PATIENCE)
        connected.connect(str(self.network.socket))
        return connected

    def let_in(self) -> socket.socket:
        connected = self.connect()
        connected.sendall(f"AUTH me {self.token}\n".encode())
        assert connected.recv(100) == f"AUTH-SUCCESS {self.repo.uuid}\n".encode()
        return connected

    def stop(self) -> None:
        for daemon in self._daemons:
            daemon.stop()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.stop()


def until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.005)


def sessions(daemon: Daemon) -> list[int]:
    """The processes that serve clients, or have ended and are not waited for yet: none has become another program."""
    server = Path(f"/proc/{daemon.process.pid}")
    children = (server / f"task/{daemon.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if _command(Path(f"/proc/{pid}")) in (b"", _command(server))]


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_a_crowd_of_strangers_keeps_nobody_out(place: Place) -> None:
    """Who has a token is let in whatever a thousand others do; most of these have to go."""
    daemon = place.serve()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    strangers = []
    try:
        for number in range(1000):
            strangers.append(place.connect())
            strangers[-1].sendall(b"AUTH me " if number % 2 else b"x")
        with place.let_in() as client:
            client.sendall(b"CHECKPRESENT SHA256E-s1--aa\n")
            assert client.recv(100) == b"FAILURE\n"
        gone = 0
        for stranger in strangers:
            stranger.setblocking(False)
            try:
                gone += stranger.recv(1) == b""
            except (BlockingIOError, ConnectionResetError) as error:
                gone += isinstance(error, ConnectionResetError)
        assert gone >= 1000 - 128
        assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 160
    finally:
        for stranger in strangers:
            stranger.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert daemon.process.poll() is None


def test_strangers_start_no_process(place: Place) -> None:
    daemon = place.serve()
    with place.connect() as stranger:
        stranger.sendall(b"AUTH me wrong\n")
        assert stranger.recv(100) == b"AUTH-FAILURE\n"
        assert sessions(daemon) == []


def test_one_client_too_many(place: Place) -> None:
    daemon = place.serve("--connections=1")
    first = place.let_in()
    with place.connect() as second:
        second.sendall(f"AUTH me {place.token}\n".encode())
        assert second.recv(100) == b""
    assert "there are 1 clients already, and one more was turned away" in daemon.said
    first.close()
    until(lambda: sessions(daemon) == [])
    place.let_in().close()


def test_a_client_that_goes_leaves_nothing_behind(place: Place) -> None:
    daemon = place.serve()
    client = place.let_in()
    assert len(sessions(daemon)) == 1
    client.close()
    until(lambda: sessions(daemon) == [])


def test_a_session_that_is_killed_is_nobody_else_s_trouble(place: Place) -> None:
    daemon = place.serve()
    first = place.let_in()
    (pid,) = sessions(daemon)
    second = place.let_in()
    os.kill(pid, signal.SIGKILL)
    assert first.recv(100) == b""
    second.sendall(b"VERSION 4\n")
    assert second.recv(100) == b"VERSION 4\n"
    first.close()
    second.close()


def test_its_end(place: Place) -> None:
    """Sessions end, and with them what they have recorded is committed."""
    daemon = place.serve()
    client = place.let_in()
    assert daemon.end() == 0
    assert client.recv(100) == b""
    client.close()


def test_an_address_that_comes_later(place: Place) -> None:
    """And one that goes."""
    daemon = place.serve()
    file = place.repo.annex_dir / "creds/p2paddrs"
    before = file.read_text()
    file.write_text(before + "p2p-annex::testing:place:2\n")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "serving p2p-annex::testing:place:2" in daemon.said)
    file.write_text(before)
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "p2p-annex::testing:place:2 is no longer served" in daemon.said)
    place.let_in().close()


def test_a_token_is_revoked_when_its_address_has_gone(place: Place) -> None:
    """The session has stayed."""
    daemon = place.serve()
    client = place.let_in()
    creds = place.repo.annex_dir / "creds"
    (creds / "p2paddrs").write_text("")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "is no longer served" in daemon.said)
    client.sendall(b"VERSION 4\n")
    assert client.recv(100) == b"VERSION 4\n"
    (creds / "p2pauth").write_text("")
    daemon.process.send_signal(signal.SIGHUP)
    assert client.recv(100) == b""
    client.close()


def test_a_network_whose_program_is_missing(place: Place) -> None:
    """The others are served all the same."""
    file = place.repo.annex_dir / "creds/p2paddrs"
    file.write_text(file.read_text() + "p2p-annex::nosuch:x\n")
    daemon = place.serve()
    until(lambda: "git-annex-p2p-nosuch is not installed, and is started again in 1 seconds" in daemon.said)
    place.let_in().close()


def test_another_server_keeps_its_place(place: Place) -> None:
    """And is followed when it goes."""
    first = place.serve()
    client = place.let_in()
    second = Daemon(place.network, place.repo, [*OURS, "p2p"])
    until(lambda: "another server listens there, such as git annex remotedaemon" in second.said)
    place.let_in().close()
    client.close()
    assert first.end() == 0
    until(lambda: "serving p2p-annex::testing:place:1" in second.said)
    place.let_in().close()
    second.stop()


def test_a_long_path(tmp_path: Path) -> None:
    """Those of sockets may not be long."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    repo = make_repo(long / "served")
    (repo.annex_dir / "creds").mkdir(exist_ok=True)
    (repo.annex_dir / "creds/p2paddrs").write_text("p2p-annex::nosuch:x\n")
    network = Network(tmp_path)
    network.env["PYTHONPATH"] = str(ROOT)
    network.socket.touch()
    daemon = Daemon(network, repo, [*OURS, "p2p"])
    until(lambda: "serving p2p-annex::nosuch:x" in daemon.said)
    (path,) = (repo.annex_dir / "p2p").iterdir()
    assert path.is_socket()
    daemon.stop()
