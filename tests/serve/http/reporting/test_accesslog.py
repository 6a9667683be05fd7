"""What the access log tells of requests, in both forms, whatever clients send."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.serve.http.test_http_server import ABSENT, eventually, key_of
from tests.support.admin import ours
from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo


def logged(server: Server, log: Path) -> list[dict[str, object]]:
    assert server.stop() == ""
    return [json.loads(line) for line in log.read_text("ascii").splitlines()]


def test_json(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], tmp_path: Path) -> None:
    content = b"x" * 200_000
    key = repo.add("a", content)
    log = tmp_path / "access.log"
    env = {"GIT_ANNEX_P2PHTTP_PASSWORD_me": "secret"}
    server = start(repo.path, "--authenv-http", "--cpus=1", f"--access-log={log}", "--access-log-format=json", env=env)
    api = talk(server, repo.uuid, {"Authorization": "Basic bWU6c2VjcmV0", "User-Agent": "test"})
    assert api.get(key).body == content
    stored = api.put(key_of(b"abc"), b"abc")
    assert stored.json["stored"] is True
    assert api.post("gettimestamp").status == 200
    assert api.ask("GET", "/nothing").status == 404
    get, put, timestamp, nothing = logged(server, log)
    common = {"address": "127.0.0.1", "agent": "test"}
    about = {**common, "user": "me", "repository": repo.uuid, "client": CLIENT}
    path = api.path(f"key/{key}", clientuuid=CLIENT)
    expected = {"method": "GET", "path": path, "endpoint": "key", "status": 200, "bytes": 200_000, "received": 0}
    assert get.items() >= {**about, **expected, "key": key}.items()
    expected = {
        "method": "POST",
        "endpoint": "put",
        "status": 200,
        "received": 3,
        "key": key_of(b"abc"),
        "bytes": len(stored.body),
    }
    assert put.items() >= {**about, **expected}.items()
    assert timestamp.items() >= {**about, "endpoint": "gettimestamp"}.items()
    assert "key" not in timestamp
    assert nothing.items() >= {**common, "status": 404, "path": "/nothing"}.items()
    assert not nothing.keys() & {"user", "repository", "client", "key", "endpoint"}
    for entry in (get, put, timestamp, nothing):
        assert 0 < float(str(entry["seconds"])) < 60
        assert str(entry["time"]).endswith("Z")
        assert "secret" not in json.dumps(entry)
        assert "bWU6" not in json.dumps(entry)


def test_hostile_requests_stay_on_their_lines(repo: Repo, start: Callable[..., Server], tmp_path: Path) -> None:
    for form in ("json", "combined"):
        log = tmp_path / form
        server = start(repo.path, "--wideopen", "--cpus=1", f"--access-log={log}", f"--access-log-format={form}")
        with server.raw() as client:
            name = b"/git-annex/%b/v4/checkpresent?key=" % repo.uuid.encode() + ABSENT.encode()
            client.send(b"POST " + name + b'&clientuuid=%ff"%e2%80%ae HTTP/1.1\r\nContent-Length: 0\r\n\r\n')
            client.answer("POST")
            client.send(b'GET /\xff"\\' + b"x" * 9000 + b' HTTP/1.1\r\nUser-Agent: \xfe\x1b[31m"\\\r\n\r\n')
            client.rest()
        assert server.stop() == ""
        text = log.read_bytes()
        assert text.isascii()
        assert text.replace(b"\n", b"").decode().isprintable()
        assert text.count(b"\n") == len(text.splitlines()) <= 2
        if form == "json":
            entries = [json.loads(line) for line in text.splitlines()]
            assert entries[0]["client"] == '\\xff"\u202e'
            assert all(len(str(value)) <= 4 * 4096 for entry in entries for value in entry.values())


def test_what_can_not_be_logged(repo: Repo, tmp_path: Path) -> None:
    unknown = ours(repo.path, "p2phttp", "--wideopen", "--port=0", "--access-log=-", "--access-log-format=xml")
    assert unknown.code == 1
    assert "combined or json" in unknown.err
    nowhere = ours(repo.path, "p2phttp", "--wideopen", "--port=0", f"--access-log={tmp_path}/not/there")
    assert nowhere.code == 1
    assert "the access log can't be written" in nowhere.err


def test_requests_are_answered_although_nobody_reads_the_log(repo: Repo, start: Callable[..., Server]) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1", "--access-log=-")
    for _ in range(60):
        with server.raw() as client:
            client.send(b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert client.answer().status == 404
    assert server.stop().count("lines are left out") == 1


def test_requests_are_answered_although_nobody_can_be_told(repo: Repo, start: Callable[..., Server]) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1", "--access-log=/dev/full")
    assert server.process.stderr is not None
    server.process.stderr.close()
    server.process.stderr = open("/dev/null")  # for who ends it
    for _ in range(3):
        with server.raw() as client:
            client.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert client.answer().status == 404
    server.stop()
    assert server.process.returncode == 0


def test_lines_are_short_enough_to_stay_whole(repo: Repo, start: Callable[..., Server], tmp_path: Path) -> None:
    for form in ("json", "combined"):
        log = tmp_path / form
        server = start(repo.path, "--wideopen", "--cpus=1", f"--access-log={log}", f"--access-log-format={form}")
        with server.raw() as client:
            odd, quotes = b"\xff" * 9000, b'"' * 9000
            headers = b"User-Agent: %b\r\nReferer: %b\r\nConnection: close\r\n" % (odd, odd)
            client.send(b"GET /%b HTTP/1.1\r\n%b\r\n" % (quotes, headers))
            client.rest()
        assert server.stop() == ""
        assert 0 < log.stat().st_size <= 4096


def test_requests_that_are_cut_off(repo: Repo, start: Callable[..., Server], tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    server = start(repo.path, "--wideopen", "--cpus=1", f"--access-log={log}", "--access-log-format=json")
    with server.raw() as client:
        path = f"/git-annex/{repo.uuid}/v4/put?key={key_of(b'abcdef')}&clientuuid={CLIENT}"
        client.send(f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: 6\r\nContent-Length: 6\r\n\r\nabc".encode())
    eventually(lambda: log.stat().st_size > 0)
    (entry,) = logged(server, log)
    assert entry.items() >= {"status": 499, "bytes": 0, "received": 3, "repository": repo.uuid}.items()
