"""Locks outlive whatever becomes of the client's connection, and of the server."""

from __future__ import annotations

import signal
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import pytest

from tests.serve.http.test_http_server import eventually
from tests.support.httpserver import CLIENT, Api, RawClient, Server
from tests.support.real import Repo

_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def key(repo: Repo) -> str:
    return repo.add("a file", b"hello\n")


@pytest.fixture
def api(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> Api:
    return talk(start(repo.path, "--wideopen"), repo.uuid)


def keep(api: Api, lock_id: str, rest: bytes = _CHUNKED) -> RawClient:
    """A client connected for its lock."""
    client = api.server.raw()
    target = api.path("keeplocked", lockid=lock_id, clientuuid=CLIENT)
    client.send(b"POST %b HTTP/1.1\r\nHost: x\r\n%b" % (target.encode(), rest))
    return client


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def unlock(api: Api, lock_id: str) -> None:
    with keep(api, lock_id) as client:
        client.send(chunk(b'{"unlock":false}') + chunk(b"\n") + chunk(b'{"unlock":true}') + chunk(b"\n") + chunk(b""))
        assert client.answer().json == {"locked": False}


def test_a_lock_keeps_content_until_the_client_unlocks(api: Api, key: str) -> None:
    lock_id = api.lock(key)
    assert not api.removed(key)
    unlock(api, lock_id)
    assert api.removed(key)


def test_git_annex_itself_respects_it(api: Api, repo: Repo, key: str) -> None:
    lock_id = api.lock(key)
    assert "content is locked" in run_dropkey(repo.path, key)
    unlock(api, lock_id)
    eventually(lambda: "ok" in run_dropkey(repo.path, key))  # if another worker held it, it looks twice a second


def end_of_connection(client: RawClient) -> None:
    client.socket.close()


def reset(client: RawClient) -> None:
    client.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def end_of_body(client: RawClient) -> None:
    client.send(b"0\r\n\r\n")
    client.answer()
    client.socket.close()


def unlock_false(client: RawClient) -> None:
    client.send(chunk(b'{"unlock":false}\n') + b"0\r\n\r\n")
    client.answer()
    client.socket.close()


def garbage(client: RawClient) -> None:
    client.send(chunk(b'{]\n[true]\n\xff\n"unlock"\n' + b"[" * 10000 + b"\n") + b"0\r\n\r\n")
    client.answer()
    client.socket.close()


def endless_line(client: RawClient) -> None:
    client.send(chunk(b"x" * 100000))
    client.rest()
    client.socket.close()


def bad_chunk(client: RawClient) -> None:
    client.send(b"zz\r\n")
    assert client.answer().status == 400
    client.socket.close()


@pytest.mark.parametrize("how", [end_of_connection, reset, end_of_body, unlock_false, garbage, endless_line, bad_chunk])
def test_no_end_of_a_connection_ends_a_lock(api: Api, key: str, how: Callable[[RawClient], None]) -> None:
    lock_id = api.lock(key)
    how(keep(api, lock_id))
    for _ in range(3):
        assert not api.removed(key)
    unlock(api, lock_id)
    assert api.removed(key)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("connected", [False, True])
def test_a_lock_outlives_the_server(
    api: Api,
    repo: Repo,
    key: str,
    start: Callable[..., Server],
    talk: Callable[..., Api],
    number: signal.Signals,
    connected: bool,
) -> None:
    lock_id = api.lock(key)
    client = keep(api, lock_id) if connected else None
    api.server.stop(number)
    if client is not None:
        client.rest()
        client.socket.close()
    assert "content is locked" in run_dropkey(repo.path, key)
    again = talk(start(repo.path, "--wideopen"), repo.uuid)
    assert not again.removed(key)
    unlock(again, lock_id)
    assert again.removed(key)


def run_dropkey(path: Path, key: str) -> str:
    done = subprocess.run(["git", "annex", "dropkey", "--force", key], cwd=path, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_locks_on_one_content_are_independent(api: Api, repo: Repo, key: str) -> None:
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        locks = [api.lock(key) for _ in range(3)]
        for number in order:
            assert not api.removed(key)
            unlock(api, locks[number])
        assert not list((repo.annex_dir / "annexshell" / "locks").iterdir())
    assert api.removed(key)


def test_what_is_not_here_is_not_locked(api: Api) -> None:
    absent = "SHA256E-s3--" + "0" * 64
    for _ in range(150):
        assert api.lock(absent) == ""


@pytest.mark.parametrize(
    "options", [("--lockedfiles=3", "--clientlocks=9"), ("--lockedfiles=5",), ("--clientlocks=3",)]
)
def test_only_so_many_locks(
    repo: Repo, key: str, start: Callable[..., Server], talk: Callable[..., Api], options: tuple[str, ...]
) -> None:
    api = talk(start(repo.path, "--wideopen", *options), repo.uuid)
    locks = [api.lock(key) for _ in range(3)]
    assert all(locks)
    assert api.lock(key) == ""
    unlock(api, locks[0])
    assert api.lock(key) != ""


@pytest.mark.parametrize("lock_id", ["foo", "../../../config", "0" * 36, ""])
def test_a_lock_that_does_not_exist(api: Api, repo: Repo, lock_id: str) -> None:
    unlock(api, lock_id)
    assert (repo.git_dir / "config").exists()


def test_unlocking_without_a_newline_at_the_end_of_the_body(api: Api, key: str) -> None:
    lock_id = api.lock(key)
    body = b'{"unlock":true}'
    with keep(api, lock_id, b"Content-Length: %d\r\n\r\n%b" % (len(body), body)) as client:
        assert client.answer().json == {"locked": False}
    assert api.removed(key)


def test_a_client_that_is_connected_waits_for_no_answer(api: Api, key: str) -> None:
    lock_id = api.lock(key)
    with keep(api, lock_id) as client:
        client.send(chunk(b'{"unlock":false}\n'))
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(30)
        client.send(chunk(b'{"unlock":true}\n'))
        client.send(chunk(b""))
        assert client.answer().json == {"locked": False}
    deadline = time.monotonic() + 5
    while not api.removed(key):
        assert time.monotonic() < deadline


@pytest.mark.parametrize("lock_id", ["foo", "", "0123456789abcdef-00000000-0000-4000-8000-000000000000"])
def test_nobody_stays_connected_for_a_lock_that_does_not_exist(api: Api, lock_id: str) -> None:
    with keep(api, lock_id) as client:
        assert client.answer().json == {"locked": False}
        assert client.socket.recv(1) == b""


def test_nobody_stays_connected_for_a_lock_that_has_ended(api: Api, key: str) -> None:
    lock_id = api.lock(key)
    with keep(api, lock_id) as client:
        client.send(chunk(b'{"unlock":false}\n'))
        unlock(api, lock_id)
        assert client.answer().json == {"locked": False}


def test_only_so_many_connections_for_one_lock(
    repo: Repo, key: str, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    api = talk(start(repo.path, "--wideopen", "--cpus=1"), repo.uuid)
    lock_id = api.lock(key)
    with ExitStack() as stack:
        for _ in range(8):
            client = stack.enter_context(keep(api, lock_id, b"Expect: 100-continue\r\n" + _CHUNKED))
            assert client.exactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        with keep(api, lock_id) as client:
            assert client.answer().json == {"locked": False}
    assert not api.removed(key)


def test_a_line_without_an_end_is_the_clients_mistake(api: Api, key: str) -> None:
    lock_id = api.lock(key)
    with keep(api, lock_id) as client:
        client.send(chunk(b" " * 40_000))
        answer = client.answer()
    assert answer.status == 400
    assert not api.removed(key)
    unlock(api, lock_id)
    assert api.removed(key)
    assert api.server.stop() == ""
