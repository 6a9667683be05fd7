"""git over HTTP: the real git as a client, and clients that write HTTP by hand, go, or don't read."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.git.quarantine import remove_abandoned
from tests.support.httpserver import Answer, RawClient, Server
from tests.support.real import Repo, run

UPLOAD, RECEIVE = "git-upload-pack", "git-receive-pack"


@pytest.fixture(autouse=True)
def _without_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    monkeypatch.setenv("GIT_ASKPASS", "true")


class Site:
    """A server, and a repository on it with a branch of some size."""

    def __init__(self, top: Path, start: Callable[..., Server], *options: str, size: int = 1000) -> None:
        self.top = top
        self.repo = Repo(top / "srv" / "a.git", bare=True)
        self.work = top / "work"
        run("git", "init", "-q", "-b", "main", self.work)
        self.commit("file", os.urandom(size))
        run("git", "push", "-q", self.repo.path, "main", cwd=self.work)
        self.repo.git("symbolic-ref", "HEAD", "refs/heads/main")
        self.server = start(top, "--git", "--wideopen", "--cpus=1", "--directory", str(top / "srv"), *options)
        self.url = f"http://127.0.0.1:{self.server.port}/a"

    def commit(self, name: str, content: bytes) -> None:
        (self.work / name).write_bytes(content)
        run("git", "add", name, cwd=self.work)
        run("git", "commit", "-q", "-m", name, cwd=self.work)

    def git(self, *args: str, check: bool = True) -> str:
        return run("git", *args, cwd=self.work, check=check)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request on a connection of its own."""
        connection = self.server.connect()
        try:
            connection.request(method, path, body or None, {name.replace("_", "-"): headers[name] for name in headers})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def quarantines(self) -> list[str]:
        return [name for name in os.listdir(self.repo.path / "objects") if "incoming" in name]

    def programs(self) -> list[str]:
        """The programs of git's that the server runs."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    if bytes(self.repo.path) in (entry / "environ").read_bytes().split(b"PATH_TRANSLATED=")[-1]:
                        found.append((entry / "cmdline").read_text().replace("\0", " "))
                except OSError:
                    continue
        return found


def eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def site(tmp_path: Path, start: Callable[..., Server]) -> Site:
    return Site(tmp_path, start)


def line(text: bytes) -> bytes:
    """A line of git's."""
    return b"%04x%b" % (len(text) + 4, text)


def push_of(site: Site) -> tuple[bytes, bytes]:
    """The body of a push of another branch, in its commands and its pack."""
    site.commit("more", os.urandom(400_000))
    tip = site.git("rev-parse", "HEAD").strip().encode()
    pack = subprocess.run(
        ["git", "pack-objects", "--all", "--stdout", "-q"], cwd=site.work, capture_output=True, check=True
    ).stdout
    command = b"%b %b refs/heads/other\0report-status agent=test" % (b"0" * len(tip), tip)
    return line(command) + b"0000", pack


# What git does


def test_clone_fetch_and_push(site: Site) -> None:
    clone = site.top / "clone"
    run("git", "clone", "-q", site.url, clone)
    assert (clone / "file").exists()
    site.commit("second", b"x")
    site.git("push", "-q", site.url, "main", "main:refs/heads/other", "HEAD:refs/tags/one")
    run("git", "pull", "-q", cwd=clone)
    assert (clone / "second").exists()
    site.git("push", "-q", site.url, ":other")
    assert site.repo.git("for-each-ref", "refs/heads/other") == ""


def test_protocols(site: Site) -> None:
    for version in ("0", "1", "2"):
        assert "refs/heads/main" in site.git("-c", f"protocol.version={version}", "ls-remote", site.url)
    run("git", "clone", "-q", "--depth=1", site.url, site.top / "shallow")
    assert (site.top / "shallow" / ".git" / "shallow").exists()
    run("git", "clone", "-q", "--filter=blob:none", "--no-checkout", site.url, site.top / "partial")
    objects = run("git", "rev-list", "--objects", "--all", "--missing=print", cwd=site.top / "partial")
    assert "?" in objects


def test_a_large_push_in_chunks(site: Site) -> None:
    site.commit("large", os.urandom(3_000_000))
    site.git("-c", "http.postBuffer=65536", "push", "-q", site.url, "main")
    assert site.repo.git("rev-parse", "main") == site.git("rev-parse", "main")
    assert list((site.repo.path / "objects" / "pack").glob("*.pack"))


def test_hooks_run_and_may_refuse(site: Site) -> None:
    hook = site.repo.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nenv >&2\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    site.commit("second", b"x")
    done = subprocess.run(["git", "push", site.url, "main"], cwd=site.work, capture_output=True, text=True)
    assert done.returncode != 0
    assert "remote: not today" in done.stderr
    assert "PATH=" in done.stderr
    assert "PYTHONPATH" not in done.stderr
    assert not site.quarantines()


def test_what_is_not_there_and_not_git(site: Site) -> None:
    for path in ("/b/info/refs?service=git-upload-pack", "/info/refs?service=git-upload-pack", "/b/config"):
        assert site.ask("GET", path).status == 404
    for path in ("/a/HEAD", "/a/objects/info/packs", "/a/description", "/a/hooks/pre-receive", "/a/../a/config"):
        assert site.ask("GET", path).status == 404
    assert site.ask("GET", "/a/info/refs").status == 403
    assert site.ask("GET", "/a/info/refs?service=git-upload-archive").status == 403


def test_methods_and_types(site: Site) -> None:
    for method, path in (
        ("POST", "/a/info/refs"),
        ("GET", f"/a/{UPLOAD}"),
        ("PUT", f"/a/{RECEIVE}"),
        ("POST", "/a/config"),
    ):
        answer = site.ask(method, path)
        assert answer.status == 405
        assert answer.headers["allow"] in ("POST", "GET, HEAD")
    assert site.ask("POST", f"/a/{UPLOAD}", b"0000", content_type="text/plain").status == 415
    typed = {"content_type": f"application/x-{UPLOAD}-request"}
    assert site.ask("POST", f"/a/{UPLOAD}", b"0000", content_encoding="br", **typed).status == 415
    assert site.ask("POST", f"/a/{UPLOAD}", b"0000", **typed).status == 200


def test_head_has_no_body(site: Site) -> None:
    with site.server.raw() as client:
        for _ in range(2):
            client.send(b"HEAD /a/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = client.answer("HEAD")
            assert answer.status == 200
            assert answer.headers["content-type"] == "application/x-git-upload-pack-advertisement"


def test_coded_bodies(site: Site) -> None:
    body = line(b"command=ls-refs\n") + b"0001" + line(b"ref-prefix refs/heads/\n") + b"0000"
    headers = {"content_type": f"application/x-{UPLOAD}-request", "git_protocol": "version=2"}
    plain = site.ask("POST", f"/a/{UPLOAD}", body, **headers)
    assert b"refs/heads/main" in plain.body
    for coding in ("gzip", "x-gzip"):
        coded = site.ask("POST", f"/a/{UPLOAD}", gzip.compress(body), content_encoding=coding, **headers)
        assert coded.body == plain.body


def test_a_client_of_http_1_0(site: Site) -> None:
    with site.server.raw() as client:
        client.send(b"GET /a/info/refs?service=git-upload-pack HTTP/1.0\r\nHost: x\r\n\r\n")
        head, _, body = client.rest().partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert b"Connection: close" in head
    assert body.endswith(b"0000")


def test_one_connection_for_all(site: Site) -> None:
    with site.server.raw() as client:
        for _ in range(3):
            client.send(b"GET /a/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.answer().body.endswith(b"0000")
        client.send(b"GET /a/config HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().status == 200


# Who goes in the middle


def begin_push(site: Site, client: RawClient, body: bytes, length: int | None = None) -> None:
    size = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    head = f"POST /a/{RECEIVE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-{RECEIVE}-request\r\n{size}\r\n\r\n"
    client.send(head.encode() + (body if length is not None else b"%x\r\n%b\r\n" % (len(body), body)))


@pytest.mark.parametrize("chunked", [True, False])
def test_a_client_that_goes_leaves_nothing(site: Site, chunked: bool) -> None:
    commands, pack = push_of(site)
    whole = commands + pack
    with site.server.raw() as client:
        begin_push(site, client, whole[:200_000], None if chunked else len(whole))
        eventually(lambda: bool(site.quarantines()))
    eventually(lambda: not site.quarantines() and not site.programs())
    assert site.repo.git("for-each-ref", "refs/heads/other") == ""
    site.git("push", "-q", site.url, "main:refs/heads/other")


def test_a_body_that_makes_no_sense_leaves_nothing(site: Site) -> None:
    commands, pack = push_of(site)
    with site.server.raw() as client:
        begin_push(site, client, (commands + pack)[:200_000])
        eventually(lambda: bool(site.quarantines()))
        client.send(b"nonsense\r\n")
        client.rest()
    eventually(lambda: not site.quarantines() and not site.programs())


def test_a_killed_worker_leaves_what_is_removed_later(site: Site) -> None:
    """git does not clean up when nobody reads what it says in the end."""
    commands, pack = push_of(site)
    with site.server.raw() as client:
        begin_push(site, client, (commands + pack)[:200_000])
        eventually(lambda: bool(site.quarantines()))
        children = Path(f"/proc/{site.server.process.pid}/task/{site.server.process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        client.rest()
        eventually(lambda: not site.programs())
    eventually(lambda: "refs/heads/main" in site.git("ls-remote", site.url, check=False))
    assert site.repo.git("for-each-ref", "refs/heads/other") == ""
    assert remove_abandoned(bytes(site.repo.path), 3600) == 0
    remove_abandoned(bytes(site.repo.path), -1)
    assert not site.quarantines()
    site.git("push", "-q", site.url, "main:refs/heads/other")


def test_who_fetches_and_goes(tmp_path: Path, start: Callable[..., Server]) -> None:
    site = Site(tmp_path, start, size=8_000_000)
    tip = site.git("rev-parse", "HEAD").strip().encode()
    body = line(b"want %b ofs-delta side-band-64k\n" % tip) + b"0000" + line(b"done\n")
    with site.server.raw() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"POST /a/{UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-{UPLOAD}-request\r\n"
        client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert client.exactly(1000).startswith(b"HTTP/1.1 200 OK")
        assert site.programs()
    eventually(lambda: not site.programs())


def test_slow_clients_keep_nobody_waiting(tmp_path: Path, start: Callable[..., Server]) -> None:
    site = Site(tmp_path, start, "--git-jobs=1", size=8_000_000)
    tip = site.git("rev-parse", "HEAD").strip().encode()
    body = line(b"want %b ofs-delta side-band-64k\n" % tip) + b"0000" + line(b"done\n")
    clients = []
    for _ in range(3):
        client = site.server.raw()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"POST /a/{UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-{UPLOAD}-request\r\n"
        client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        clients.append(client)
    for client in clients:
        assert client.exactly(100).startswith(b"HTTP/1.1 200 OK")
    assert "refs/heads/main" in site.git("ls-remote", site.url)
    for client in clients:
        client.socket.close()


# Repositories


def test_of_whom_a_browser_asks(site: Site) -> None:
    body = line(b"x")
    headers = {"content_type": f"application/x-{RECEIVE}-request"}
    assert site.ask("POST", f"/a/{RECEIVE}", body, origin="https://example.org", **headers).status == 403
    assert site.ask("POST", f"/a/{RECEIVE}", body, sec_fetch_site="cross-site", **headers).status == 403


def test_a_uuid_comes_with_the_git_annex_branch(site: Site) -> None:
    run("git", "init", "-q", "--bare", site.top / "srv" / "plain.git")
    url = site.url[: -len("a")] + "plain"
    assert "uuid" not in site.ask("GET", "/plain/config").body.decode()
    site.git("push", "-q", url, "main:trunk")
    assert "uuid" not in site.ask("GET", "/plain/config").body.decode()
    run("git", "annex", "init", "-q", cwd=site.work)
    site.git("push", "-q", url, "git-annex")
    assert "uuid" in site.ask("GET", "/plain/config").body.decode()
    assert run("git", "symbolic-ref", "HEAD", cwd=site.top / "srv" / "plain.git") == "refs/heads/trunk\n"


def test_a_quota_counts_what_is_pushed(tmp_path: Path, start: Callable[..., Server]) -> None:
    site = Site(tmp_path, start, "--max-size=2MB", size=500_000)
    site.commit("second", os.urandom(800_000))
    site.git("push", "-q", site.url, "main")
    site.commit("third", os.urandom(1_500_000))
    done = subprocess.run(["git", "push", site.url, "main"], cwd=site.work, capture_output=True, text=True)
    assert done.returncode != 0
    assert "pack exceeds maximum allowed size" in done.stderr
    assert not site.quarantines()
    site.repo.git("config", "receive.maxInputSize", "1k")
    site.git("reset", "-q", "--hard", "HEAD^")
    site.commit("small", os.urandom(100_000))
    assert subprocess.run(["git", "push", "-q", site.url, "main"], cwd=site.work, capture_output=True).returncode != 0
    site.repo.git("config", "receive.maxInputSize", "1m")
    site.git("push", "-q", site.url, "main")
