"""/healthz, and what systemd's watchdog is told."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from annexshell.serve.http.reporting.counting import new_scoreboard
from annexshell.serve.http.reporting.health import BEAT_LIMIT, Health
from tests.serve.http.test_http_server import eventually, two_workers
from tests.support.httpserver import Api, Server
from tests.support.real import Repo


def test_a_server_that_is_well(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    env = {"GIT_ANNEX_P2PHTTP_PASSWORD_me": "secret"}
    api = talk(start(repo.path, "--authenv-http", "--base-path=/annex", env=env), repo.uuid)
    answer = api.ask("GET", "/annex/healthz")
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert api.ask("HEAD", "/annex/healthz").status == 200
    assert api.ask("GET", "/healthz").status == 404
    assert api.ask("POST", "/annex/healthz", b"").status == 404


@pytest.mark.parametrize("option", [[], ["--directory=."]])
def test_what_is_served_goes_and_comes_back(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], option: list[str]
) -> None:
    api = talk(start(repo.path, "--wideopen", "--cpus=1", *option), repo.uuid)
    hidden = repo.path.with_name("hidden")

    def status() -> int:
        return api.ask("GET", "/healthz").status

    assert status() == 200
    repo.path.rename(hidden)
    eventually(lambda: status() == 503)
    answer = api.ask("GET", "/healthz")
    assert b" is gone" in answer.body
    assert str(repo.path).encode() not in answer.body
    api.post("checkpresent", "WORM-s1--a")  # finds it gone, and forgets it
    hidden.rename(repo.path)
    eventually(lambda: status() == 200)


class Listener:
    """In place of systemd."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(30)

    def next(self) -> str:
        return self._socket.recv(1000).decode()

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes for a while; what has come already does not count."""
        self._socket.setblocking(False)
        try:
            while True:
                self._socket.recv(1000)
        except BlockingIOError:
            pass
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(1000)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(30)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path / "notify")
    yield listener
    listener.close()


def test_the_watchdog_hears_of_us_while_all_workers_answer(
    repo: Repo, start: Callable[..., Server], listener: Listener, tmp_path: Path
) -> None:
    # Workers give signs of life every five seconds, or more often where the watchdog is shorter.
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    server = start(repo.path, "--wideopen", "--cpus=2", env=env)
    assert listener.next() == "READY=1"
    assert [listener.next() for _ in range(4)] == ["WATCHDOG=1"] * 4
    worker = two_workers(server)[1]
    os.kill(worker, signal.SIGSTOP)
    try:
        eventually(lambda: listener.silent(1.0))
    finally:
        os.kill(worker, signal.SIGCONT)
    assert listener.next() == "WATCHDOG=1"
    assert f"annexshell p2phttp: worker {worker} has not answered for 0.5 seconds\n" in server.stop()


def test_nobody_is_told_who_does_not_ask(
    repo: Repo, start: Callable[..., Server], listener: Listener, tmp_path: Path
) -> None:
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    start(repo.path, "--wideopen", "--cpus=1", env=env)
    assert listener.next() == "READY=1"
    assert listener.silent(1.0)


class Still:
    """In place of the parts of a server: disks hang, and nothing else is wrong."""

    has_searched = True
    directories = (b"/",)
    all = (None,)

    def __init__(self) -> None:
        self.looks = 0

    def offload(self, _function: object, _limit: float) -> str:
        self.looks += 1
        raise TimeoutError


def test_a_disk_that_hangs() -> None:
    still: Any = Still()
    health = Health(lambda: False, still, still, new_scoreboard())
    assert health.reason() == "the disk does not answer"
    assert health.reason() == "the disk does not answer"
    assert still.looks == 1  # many who ask do not make many threads hang


def test_a_worker_that_hangs() -> None:
    still: Any = Still()
    board = new_scoreboard()
    health = Health(lambda: False, still, still, board)
    slot = board.take()
    assert slot is not None
    slot._all[1] -= BEAT_LIMIT + 1  # its last sign of life
    assert health.reason() == "a worker does not answer"
    slot.beat()
    assert health.reason() != "a worker does not answer"
