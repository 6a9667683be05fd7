"""Whatever cuts the connection of a client that has a content locked, the content stays locked for all of the ten
minutes from when it was locked: clients drop their own copies without looking at that connection again."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.repo.places import make_repo, waiting_for
from tests.support.census import WatchedServer
from tests.support.httpserver import CLIENT, Api, RawClient
from tests.support.rawrequests import half_close, leave, reset
from tests.support.real import Repo

SECONDS = 600


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return make_repo(tmp_path / "repo")


def retention(repo: Repo, key: str) -> float:
    """Until when the content is kept, as git-annex understands it: seconds of the wall clock."""
    path = Path(repo.path / repo.annex("contentlocation", key).strip())
    return float(path.with_name(key + ".rtm").read_text().rstrip("s\n"))


def keeplocked(api: Api, lock_id: str) -> bytes:
    target = api.path("keeplocked", lockid=lock_id, clientuuid=CLIENT)
    body = b'11\r\n{"unlock":false}\n\r\n'
    return f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + body


def middleman(port: int, seconds: float) -> int:
    """A proxy for one connection, which it cuts when nothing has come for a time; the port that it listens at."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as client, socket.create_connection(("127.0.0.1", port)) as server:
            client.settimeout(seconds)
            try:
                while data := client.recv(65536):
                    server.sendall(data)
            except TimeoutError:
                pass

    threading.Thread(target=serve).start()
    address: tuple[str, int] = listener.getsockname()
    return address[1]


def idle_proxy(api: Api, request: bytes) -> None:
    client = RawClient(middleman(api.server.port, 0.3))
    client.send(request)
    assert client.rest() == b""
    client.socket.close()


def killed_client(api: Api, request: bytes) -> None:
    script = (
        "import socket, sys, time\n"
        f"s = socket.create_connection(('127.0.0.1', {api.server.port}))\n"
        f"s.sendall({request!r})\nprint('sent', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(["python3", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()


def ending(how: Callable[[RawClient], None]) -> Callable[[Api, bytes], None]:
    def end(api: Api, request: bytes) -> None:
        client = api.server.raw()
        client.send(request)
        how(client)

    return end


def replacing(how: Callable[[WatchedServer], None]) -> Callable[[Api, bytes], None]:
    def end(api: Api, request: bytes) -> None:
        server = api.server
        assert isinstance(server, WatchedServer)
        with server.raw() as client:
            client.send(request)
            before = set(server.workers)
            how(server)
            waiting_for(lambda: not before & set(server.workers))

    return end


def kill_workers(server: WatchedServer) -> None:
    for worker in server.workers:
        os.kill(worker, signal.SIGKILL)


ENDS = {
    "end of the stream": ending(leave),
    "end of one direction": ending(half_close),
    "reset": ending(reset),
    "a client that is killed": killed_client,
    "a proxy that has waited long enough": idle_proxy,
    "new workers": replacing(lambda server: server.process.send_signal(signal.SIGHUP)),
    "a worker that is killed": replacing(kill_workers),
}


def test_no_end_of_a_connection_shortens_a_lock(
    repo: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1")
    for name, end in ENDS.items():
        key = repo.add(name.replace(" ", "_"), name.encode())
        api = talk(server, repo.uuid)
        before = time.time()
        lock_id = api.lock(key)
        assert lock_id, name
        assert retention(repo, key) >= before + SECONDS - 1, name
        end(api, keeplocked(api, lock_id))
        api = talk(server, repo.uuid)
        waiting_for(partial(is_served, api))
        assert api.removed(key) is False, name
        assert retention(repo, key) >= before + SECONDS - 1, name


def is_served(api: Api) -> bool:
    try:
        return api.ask("GET", "/healthz").status == 200
    except OSError:
        api.connection.close()
        return False


def test_a_tls_connection_that_is_cut(
    repo: Repo, tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    """Without the farewell that TLS has, in the middle of a record."""
    certificate, private = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    if subprocess.run([*command, "-keyout", private, "-out", certificate], capture_output=True).returncode:
        pytest.skip("there is no openssl")
    key = repo.add("a", b"hello\n")
    secure = start(repo.path, "--wideopen", "--cpus=1", "--certfile", certificate, "--privatekeyfile", private)
    api = talk(start(repo.path, "--wideopen", "--cpus=1"), repo.uuid)
    lock_id = api.lock(key)
    before = secure.at_rest()
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with secure.raw() as client:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.send(outgoing.read())
                incoming.write(client.socket.recv(65536))
        tls.write(keeplocked(api, lock_id))
        tls.write(b'10\r\n{"unlock":true}\n\r\n')
        client.send(outgoing.read()[:-1])
    secure.settled(before)
    assert api.removed(key) is False
    assert retention(repo, key) >= time.time() + SECONDS - 60
