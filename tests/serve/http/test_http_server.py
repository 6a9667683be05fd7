"""The server as a program: where it listens, what it serves, how it stops, and many clients at once."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.admin import ours
from tests.support.certificates import make_certificate
from tests.support.client import Client
from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo, run

ABSENT = "SHA256E-s3--" + "0" * 64


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def key_of(data: bytes) -> str:
    return f"SHA256-s{len(data)}--{hashlib.sha256(data).hexdigest()}"


def test_repositories_of_a_directory_come_and_go(
    tmp_path: Path, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    top = tmp_path / "top"
    first = Repo(top / "one" / "deep" / "first")
    inner = Repo(first.path / "inner")
    bare = Repo(top / "bare.git", bare=True)
    outside = Repo(tmp_path / "outside")
    (top / "link").symlink_to(outside.path)
    (top / "loop").symlink_to(top)
    run("git", "init", "-q", top / "plain")
    server = start(tmp_path, "--wideopen", "--directory", str(top))
    for repo in (first, bare, outside):
        assert talk(server, repo.uuid).post("checkpresent", ABSENT).json == {"present": False}
    assert talk(server, inner.uuid).post("checkpresent", ABSENT).status == 404
    late = Repo(top / "late")
    api = talk(server, late.uuid)
    eventually(lambda: api.post("checkpresent", ABSENT).status == 200)
    shutil.rmtree(late.path)
    eventually(lambda: api.post("checkpresent", ABSENT).status == 404)
    assert api.post("lockcontent", ABSENT).status == 404
    assert talk(server, first.uuid).post("checkpresent", ABSENT).status == 200


def test_a_repository_that_is_gone_is_not_said_to_be_empty(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    key = repo.add("a", b"hello\n")
    api = talk(start(repo.path, "--wideopen", "--cpus=1"), repo.uuid)
    assert api.present(key)
    hidden = repo.path.with_name("hidden")
    repo.path.rename(hidden)
    for endpoint in ("checkpresent", "lockcontent", "remove", "putoffset"):
        assert api.post(endpoint, key).status in (503, 404)
    assert api.get(key).status in (503, 404)
    hidden.rename(repo.path)
    eventually(lambda: api.post("checkpresent", key).status == 200)
    assert api.present(key)


def test_another_repository_in_its_place_is_not_taken_for_it(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    api = talk(start(repo.path, "--wideopen", "--cpus=1"), repo.uuid)
    repo.git("config", "annex.uuid", "11111111-2222-3333-4444-555555555555")
    assert api.post("checkpresent", ABSENT).status in (503, 404)


def test_settings_are_noticed(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    api = talk(start(repo.path, "--wideopen"), repo.uuid)
    assert api.put("WORM-s3--abc", b"abc").json["stored"] is True
    repo.git("config", "annex.securehashesonly", "true")
    answer = api.put("WORM-s3--abd", b"abc")
    assert answer.status == 403
    assert "annex.securehashesonly" in answer.reason


def test_what_the_disk_has_no_room_for(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    repo.git("config", "annex.diskreserve", "1000 TB")
    api = talk(start(repo.path, "--wideopen"), repo.uuid)
    answer = api.put(key_of(b"abc"), b"abc")
    assert answer.status == 507
    assert "not enough" in answer.reason.lower() or "space" in answer.reason.lower()


def test_a_unix_socket(repo: Repo, start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = start(repo.path, "--wideopen", "--socket", str(path))
    assert path.stat().st_mode & 0o777 == 0o700
    again = ours(repo.path, "p2phttp", "--wideopen", "--socket", str(path))
    assert "somebody listens on that socket" in again.err
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 404")
    assert server.stop() == ""
    assert not path.exists()


def test_a_port_that_is_taken(repo: Repo, start: Callable[..., Server]) -> None:
    server = start(repo.path, "--wideopen")
    done = ours(repo.path, "p2phttp", "--wideopen", "--bind", "127.0.0.1", f"--port={server.port}")
    assert done.code == 1
    assert "Address already in use" in done.err


def test_a_port_that_cannot_be(repo: Repo) -> None:
    done = ours(repo.path, "p2phttp", "--wideopen", "--bind", "127.0.0.1", "--port=65537")
    assert done.code == 1
    assert "--port has to be a number up to 65535" in done.err


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = str(directory / "cert.pem"), str(directory / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    done = subprocess.run([*command, "-keyout", key, "-out", certificate], capture_output=True)
    if done.returncode:
        pytest.skip("there is no openssl")
    return certificate, key


def test_https(repo: Repo, start: Callable[..., Server], certificate: tuple[str, str]) -> None:
    data = os.urandom(3_000_000)
    key = repo.add("a", data)
    environment = {"GIT_ANNEX_P2PHTTP_PASSWORD_me": "secret"}
    options = ["--authenv", "--certfile", certificate[0], "--privatekeyfile", certificate[1]]
    server = start(repo.path, *options, "--chainfile", certificate[0], env=environment)
    context = ssl.create_default_context(cafile=certificate[0])
    context.check_hostname = False
    from http.client import HTTPSConnection

    connection = HTTPSConnection("127.0.0.1", server.port, context=context, timeout=30)
    path = f"/git-annex/{repo.uuid}/key/{key}"
    connection.request("GET", path)
    assert connection.getresponse().read() != data
    connection.request("GET", path, headers={"Authorization": "Basic bWU6c2VjcmV0"})
    assert connection.getresponse().read() == data
    headers = {"Authorization": "Basic bWU6c2VjcmV0", "X-git-annex-data-length": str(len(data))}
    other = key_of(data[::-1])
    connection.request("POST", f"/git-annex/{repo.uuid}/v4/put?key={other}&clientuuid=x", data[::-1], headers)
    assert b'"stored":true' in connection.getresponse().read()
    connection.close()
    with server.raw() as plain:
        plain.send(b"GET / HTTP/1.1\r\n\r\n")
        plain.rest()


@pytest.mark.parametrize(
    "options", [["--certfile=/x"], ["--privatekeyfile=/x"], ["--certfile=/x", "--privatekeyfile=/x"]]
)
def test_wrong_certificates(repo: Repo, options: list[str]) -> None:
    assert ours(repo.path, "p2phttp", *options).code == 1


def test_a_download_is_finished_before_the_server_stops(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    data = os.urandom(20_000_000)
    key = repo.add("a", data)
    server = start(repo.path, "--wideopen")
    with server.raw() as client:
        client.send(f"GET /git-annex/{repo.uuid}/key/{key} HTTP/1.1\r\n\r\n".encode())
        beginning = client.socket.recv(1000)
        server.process.send_signal(signal.SIGTERM)
        rest = client.rest()
    assert (beginning + rest).endswith(data[-1000:])
    assert len(beginning + rest) > len(data)
    assert server.stop() == ""


def test_what_was_stored_is_committed_before_the_server_stops(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen")
    api = talk(server, repo.uuid)
    assert api.put(key_of(b"abc"), b"abc").json["stored"] is True
    assert server.stop() == ""
    assert server.process.returncode == 0
    assert repo.location_log(key_of(b"abc")) == {repo.uuid: "1"}


def test_a_commit_that_git_refuses_keeps_nobody_waiting(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    """It is tried once for all that is open, and said once; the journal keeps what was recorded."""
    lock = repo.git_dir / "refs/heads/git-annex.lock"
    lock.touch()
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    with concurrent.futures.ThreadPoolExecutor() as clients:
        answers = clients.map(lambda n: talk(server, repo.uuid).put(key_of(b"%d" % n), b"%d" % n).json, range(8))
        assert all(answer["stored"] for answer in answers)
    assert api.put(key_of(b"abc"), b"abc").json["stored"] is True
    (line,) = server.stop().splitlines()
    assert "its lock refs/heads/git-annex.lock has been there" in line
    assert server.process.returncode == 0
    lock.unlink()
    repo.annex("merge")
    assert repo.location_log(key_of(b"abc")) == {repo.uuid: "1"}


def test_commits_come_in_time_beside_an_upload_that_stands_still(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    with server.raw() as client:
        path = api.path("put", key=key_of(b"x" * 100), clientuuid=CLIENT)
        client.send(f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: 100\r\nContent-Length: 100\r\n\r\nx".encode())
        assert api.put(key_of(b"abc"), b"abc").json["stored"] is True
        eventually(lambda: repo.location_log(key_of(b"abc")) == {repo.uuid: "1"}, 6)


def children(pid: int) -> list[int]:
    """The processes that any thread of a process has started."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for file in files for word in file.read_text().split()]


def two_workers(server: Server) -> list[int]:
    eventually(lambda: len(children(server.process.pid)) == 2)
    return children(server.process.pid)


def test_a_worker_that_dies_is_replaced(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    server = start(repo.path, "--wideopen", "--cpus=2")
    before = two_workers(server)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(set(children(server.process.pid)) - {before[0]}) == 2)
    for _ in range(10):
        assert talk(server, repo.uuid).post("checkpresent", ABSENT).status == 200


def test_workers_are_replaced_without_losing_a_request(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=2")
    before = set(two_workers(server))
    server.process.send_signal(signal.SIGHUP)
    for _ in range(20):
        assert talk(server, repo.uuid).post("checkpresent", ABSENT).status == 200
    eventually(lambda: len(set(children(server.process.pid)) - before) == 2)
    eventually(lambda: not before & set(children(server.process.pid)))


def test_workers_end_when_nobody_looks_after_them(repo: Repo, start: Callable[..., Server]) -> None:
    server = start(repo.path, "--wideopen", "--cpus=2")
    workers = two_workers(server)
    server.process.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))


def test_a_hundred_clients_at_once(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    key = repo.add("a", b"hello\n" * 50000)
    server = start(repo.path, "--wideopen")
    api = talk(server, repo.uuid)
    api.present(key)
    failures: list[object] = []

    def client(number: int) -> None:
        own = Api(server, repo.uuid)
        data = b"%d" % number * 30000
        try:
            assert own.present(key)
            assert own.get(key).body == b"hello\n" * 50000
            assert own.put(key_of(data), data).json["stored"] is True
            lock_id = own.lock(key_of(data))
            assert lock_id or number >= 0
            assert own.get(key_of(data)).body == data
        except BaseException as error:
            failures.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_two_uploads_of_one_content_both_end_well(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    data = os.urandom(200_000)
    server = start(repo.path, "--wideopen")
    slow = server.raw()
    api = talk(server, repo.uuid)
    path = api.path("put", key=key_of(data), clientuuid="somebody")
    head = f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: {len(data)}\r\nContent-Length: {len(data)}\r\n\r\n"
    slow.send(head.encode() + data[:100_000])
    eventually(lambda: any((repo.annex_dir / "tmp").glob("SHA256*")))
    assert api.post("putoffset", key_of(data)).status == 200
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(api.put(key_of(data), data).json["stored"]))
    thread.start()
    slow.send(data[100_000:])
    assert slow.answer().json["stored"] is True
    thread.join(40)
    slow.socket.close()
    assert results == [True]


@pytest.mark.parametrize("first", ["ssh", "http"])
def test_uploads_of_one_content_by_two_front_ends(
    repo: Repo, shell: Path, start: Callable[..., Server], talk: Callable[..., Api], first: str
) -> None:
    """Whoever comes second waits for the first one, and finds the content there."""
    data = os.urandom(200_000)
    key = key_of(data)
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    path = api.path("put", key=key, clientuuid="somebody")
    head = f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: {len(data)}\r\nContent-Length: {len(data)}\r\n\r\n"
    with server.raw() as raw, Client(shell, "p2pstdio", str(repo.path), CLIENT) as session:
        assert session.ask("VERSION 4") == "VERSION 4"

        def begin(by: str) -> None:
            if by == "http":
                raw.send(head.encode() + data[:100_000])
            else:
                session.send(f"PUT  {key}")
                if by == first:
                    assert session.line() == "PUT-FROM 0"
                    session.raw(b"DATA %d\n" % len(data) + data[:100_000])

        begin(first)
        eventually(lambda: any((repo.annex_dir / "tmp").glob("SHA256*")))
        begin("http" if first == "ssh" else "ssh")
        eventually(lambda: any((repo.annex_dir / "annexshell/wanted").glob("*")))
        if first == "ssh":
            session.raw(data[100_000:] + b"VALID\n")
            assert session.line() == "SUCCESS"
            raw.send(data[100_000:])
            assert raw.answer().json["stored"] is True
        else:
            raw.send(data[100_000:])
            assert raw.answer().json["stored"] is True
            assert session.line() == "ALREADY-HAVE"
        assert session.close()[0] == 0
    assert api.get(key).body == data


def test_an_upload_that_stands_still_makes_room_for_another(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    data = os.urandom(200_000)
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    path = api.path("put", key=key_of(data), clientuuid=CLIENT)
    head = f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: {len(data)}\r\nContent-Length: {len(data)}\r\n\r\n"
    with server.raw() as slow:
        slow.send(head.encode() + data[:100_000])
        eventually(lambda: any((repo.annex_dir / "tmp").glob("SHA256*")))
        assert api.put(key_of(data), data).json["stored"] is True
        assert slow.rest() == b""
    assert api.get(key_of(data)).body == data


def test_the_access_log(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    options = ["--authenv-http", "--access-log", str(log)]
    server = start(repo.path, *options, env={"GIT_ANNEX_P2PHTTP_PASSWORD_me": "secret"})
    agent = {"User-Agent": 'a"b\\c', "Authorization": "Basic bWU6c2VjcmV0"}
    api = talk(server, repo.uuid, agent)
    assert api.post("checkpresent", ABSENT).status == 200
    assert api.get(ABSENT).status == 404
    assert server.stop() == ""
    first, second = log.read_text().splitlines()
    assert first.startswith("127.0.0.1 - me [")
    path = api.path("checkpresent", clientuuid=CLIENT, key=ABSENT)
    assert f'] "POST {path} HTTP/1.1" 200 17 "-" "a\\x22b\\x5cc"' in first
    assert '" 404 ' in second
    assert "secret" not in first + second


def test_a_node_that_hangs_hinders_nobody_else(
    repo: Repo, talk: Callable[..., Api], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ssh").write_text("#!/bin/sh\nwhile read -r line; do :; done\n")
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    node = "22222222-2222-4222-8222-222222222222"
    repo.git("remote", "add", "node", "ssh://nowhere.example/~/node")
    repo.git("config", "remote.node.annex-uuid", node)
    repo.git("config", "remote.node.annex-proxy", "true")
    repo.git("config", "remote.node.annex-ignore", "false")
    repo.annex("updateproxy")
    server = Server(repo.path, "--wideopen", "--cpus=1")
    clients = []
    try:
        request = f"POST /git-annex/{node}/v4/checkpresent?key={ABSENT}&clientuuid=x HTTP/1.1\r\n\r\n".encode()
        for _ in range(200):
            clients.append(server.raw())
            clients[-1].send(request)
        eventually(lambda: b"ssh" in programs_of(server))
        api = talk(server, repo.uuid)
        for number in range(5):
            data = b"content %d" % number
            assert api.put(key_of(data), data).json["stored"] is True
            assert api.lock(key_of(data))
    finally:
        server.stop(signal.SIGKILL)
        for client in clients:
            client.socket.close()


def programs_of(server: Server) -> set[bytes]:
    """The names of what the workers have started."""
    names = set()
    for pid in [pid for worker in children(server.process.pid) for pid in children(worker)]:
        try:
            names.add(Path(f"/proc/{pid}/comm").read_bytes().strip())
        except OSError:  # it has ended just now
            continue
    return names


def test_many_signals_are_one_replacement_and_nobody_waits(repo: Repo, start: Callable[..., Server]) -> None:
    """The old workers accept connections until the new ones do."""
    server = start(repo.path, "--wideopen", "--cpus=2")
    before = set(two_workers(server))
    most, waited = 0, 0.0
    for _ in range(60):
        server.process.send_signal(signal.SIGHUP)
        began = time.monotonic()
        with server.raw() as client:
            client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.answer().status == 200
        waited = max(waited, time.monotonic() - began)
        most = max(most, len(children(server.process.pid)))
    eventually(lambda: not before & set(children(server.process.pid)))
    eventually(lambda: len(children(server.process.pid)) == 2)
    assert most <= 12  # two that serve, two that start, and those of four earlier times
    assert waited < 10


def greet(server: Server, certificate: Path) -> None:
    """Shakes hands, which a worker does when it has read all that it needs."""
    context = ssl.create_default_context(cafile=certificate)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
        context.wrap_socket(plain, server_hostname="localhost").close()


def test_new_workers_that_can_not_start_leave_the_old_ones_alone(
    repo: Repo, start: Callable[..., Server], tmp_path: Path
) -> None:
    certificate, private = make_certificate(tmp_path)
    place = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(place)
        systemd.settimeout(30)
        options = (f"--certfile={certificate}", f"--privatekeyfile={private}")
        server = start(repo.path, "--wideopen", "--cpus=1", *options, env={"NOTIFY_SOCKET": place})
        greet(server, certificate)
        before = children(server.process.pid)
        certificate.write_text("nothing of the kind\n")
        server.process.send_signal(signal.SIGHUP)
        told = [systemd.recv(1000).partition(b"\n")[0] for _ in range(3)]
        assert told == [b"READY=1", b"RELOADING=1", b"READY=1"]
    assert set(before) <= set(children(server.process.pid))
    assert "the new workers could not start, and the old ones go on" in server.stop()
