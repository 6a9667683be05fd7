"""What becomes of HTTP requests when the disk is full, contents or whole repositories go, or the server is ended: what
was acknowledged is there, what was not can be gone on with, and other clients are served."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from annexshell.disk.filelock import FileLocks
from tests.oracle.servers import complaints, objects
from tests.repo.places import make_repo, waiting_for
from tests.support.census import WatchedServer
from tests.support.client import sha256_key
from tests.support.httpserver import Api, RawClient
from tests.support.rawrequests import crowd, get, put
from tests.support.real import Repo

ABSENT = "SHA256E-s3--" + "0" * 64
LARGE = os.urandom(1 << 16) * 256


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return make_repo(tmp_path / "repo")


# Disks


@pytest.fixture
def small_disk(mount: Path) -> Repo:
    """A repository on a disk that is small."""
    repo = make_repo(mount / "repo")
    repo.git("config", "annex.diskreserve", "0")
    return repo


@pytest.mark.parametrize("mount", ["3m"], indirect=True)
def test_a_full_disk(small_disk: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]) -> None:
    server = start(small_disk.path, "--wideopen", "--cpus=1")
    api = talk(server, small_disk.uuid)
    data = os.urandom(100_000)
    key = sha256_key(data)
    assert api.put(key, data).json["stored"] is True
    before = server.at_rest()
    for size in (LARGE[:6_000_000], LARGE[:3_500_000]):
        for name in (sha256_key(size), "WORM--unsized"):
            with api.server.raw() as client:
                client.send(put(api, name, len(size)))
                try:
                    client.send(size)
                except OSError:  # it need not take all of it
                    pass
                answer = client.answer()
            assert (answer.status, "space" in answer.reason.lower()) == (507, True), answer.reason
            assert api.get(key).body == data
            assert api.present(key)
            api.unlock(api.lock(key))
    small = os.urandom(50_000)
    assert api.put(sha256_key(small), small).json["stored"] is True, "the disk is still full of what was given up"
    server.settled(before)


@pytest.mark.parametrize("mount", ["3m"], indirect=True)
def test_a_removal_makes_room_on_a_full_disk(
    small_disk: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    api = talk(start(small_disk.path, "--wideopen", "--cpus=1"), small_disk.uuid)
    data = os.urandom(200_000)
    key = sha256_key(data)
    assert api.put(key, data).json["stored"] is True
    waiting_for(lambda: small_disk.location_log(key) == {small_disk.uuid: "1"})
    with (small_disk.path.parent / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    assert api.removed(key)
    assert not api.present(key)
    waiting_for(lambda: small_disk.location_log(key) == {small_disk.uuid: "0"})


# Contents


def whole_answer(client: RawClient, beginning: bytes) -> bytes:
    """An answer with the large content, of which something was read already."""
    head = beginning.partition(b"\r\n\r\n")[0]
    return beginning + client.exactly(len(head) + 4 + len(LARGE) - len(beginning))


def test_a_content_that_is_removed_while_it_is_read(
    repo: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    key = repo.add("large", LARGE)
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    with crowd(server, [get(api, key)]) as (client,):
        beginning = client.socket.recv(1000)
        assert api.removed(key)
        assert api.get(key).status == 404
        assert whole_answer(client, beginning).endswith(LARGE)


def test_a_content_that_is_truncated_while_it_is_read(
    repo: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    key = repo.add("large", LARGE)
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    assert api.present(key)  # else some of what a worker always has may not have begun
    before = server.at_rest()
    with crowd(server, [get(api, key)]) as (client,):
        beginning = client.socket.recv(1000)
        path = repo.path / repo.annex("contentlocation", key).strip()
        path.chmod(0o644)
        os.truncate(path, len(LARGE) - 1)
        received = beginning + client.rest()
    assert len(received.partition(b"\r\n\r\n")[2]) < len(LARGE)
    server.settled(before)


# Repositories


def test_a_repository_that_goes_while_it_is_used(
    tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    top = tmp_path / "top"
    gone, other = make_repo(top / "gone", clone=1), make_repo(top / "other", clone=2)
    key = gone.add("large", LARGE)
    server = start(tmp_path, "--wideopen", "--cpus=1", "--directory", str(top))
    api, others = talk(server, gone.uuid), talk(server, other.uuid)
    assert api.present(key)
    assert others.present(key) is False
    before = server.at_rest()
    data = os.urandom(100_000)
    with crowd(server, [put(api, sha256_key(data), len(data)) + data[:50_000], get(api, key)]) as (writer, reader):
        waiting_for((gone.annex_dir / "tmp" / sha256_key(data)).exists)
        beginning = reader.socket.recv(1000)
        subprocess.run(["chmod", "-R", "u+w", gone.path], check=True)
        shutil.rmtree(gone.path)
        for _ in range(20):
            assert api.post("lockcontent", key).status in (404, 503)
            assert api.post("remove", key).status in (404, 503)
            assert others.put(sha256_key(data), data).json["stored"] is True
        writer.send(data[50_000:])
        assert writer.answer().status >= 500
        assert whole_answer(reader, beginning).endswith(LARGE)
    waiting_for(lambda: api.post("checkpresent", key).status == 404)
    again = make_repo(gone.path, clone=3)
    newcomer = talk(server, again.uuid)
    waiting_for(lambda: newcomer.post("checkpresent", ABSENT).status == 200)
    assert newcomer.put(sha256_key(data), data).json["stored"] is True
    assert api.post("checkpresent", key).status == 404
    newcomer.close()
    server.settled(before)


# The server


def has_size(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


class Uploader:
    """Stores one content after the other, and goes on where it was when the server is back."""

    def __init__(self, port: Callable[[], WatchedServer], uuid: str, number: int) -> None:
        self._server = port
        self._uuid = uuid
        self._number = number
        self.stored: list[str] = []
        self.round = 0
        self.thread = threading.Thread(target=self._work)
        self.is_over = False

    def _work(self) -> None:
        while not self.is_over:
            try:
                self._store(b"%d %d " % (self._number, self.round) * 60_000)
            except (OSError, HTTPException):
                time.sleep(0.01)

    def _store(self, data: bytes) -> None:
        api = Api(self._server(), self._uuid)
        try:
            answer = api.post("putoffset", sha256_key(data))
            if "alreadyhave" in answer.json:
                self.round += 1
                return  # that it is here may not have been recorded any more
            offset = answer.json["offset"]
            if api.put(sha256_key(data), data[offset:], offset=offset).json["stored"]:
                self.stored.append(sha256_key(data))
                self.round += 1
        finally:
            api.close()


def stored_by(uploaders: list[Uploader]) -> int:
    return sum(len(uploader.stored) for uploader in uploaders)


def have_stored(uploaders: list[Uploader], count: int) -> bool:
    return stored_by(uploaders) >= count


@pytest.mark.parametrize("whom", ["a worker", "all"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_the_server_ends_during_uploads(
    whom: str, number: signal.Signals, repo: Repo, start: Callable[..., WatchedServer]
) -> None:
    if (whom, number) == ("a worker", signal.SIGHUP):
        return  # only the process above them is told so
    servers = [start(repo.path, "--wideopen", "--cpus=2", limits="grace=1")]
    servers[0].at_rest()
    uploaders = [Uploader(lambda: servers[-1], repo.uuid, name) for name in range(8)]
    for uploader in uploaders:
        uploader.thread.start()
    try:
        for _ in range(3):
            waiting_for(partial(have_stored, uploaders, stored_by(uploaders) + 9))
            if whom == "a worker":
                waiting_for(lambda: len(servers[0].workers) == 2)
                os.kill(servers[0].workers[0], number)
            elif number == signal.SIGHUP:
                servers[0].process.send_signal(number)
            else:
                servers[-1].stop(number)
                acknowledged = [key for uploader in uploaders for key in uploader.stored]
                assert set(acknowledged) <= objects(repo.annex_dir)
                servers.append(start(repo.path, "--wideopen", "--cpus=2", limits="grace=1"))
    finally:
        for uploader in uploaders:
            uploader.is_over = True
        for uploader in uploaders:
            uploader.thread.join(30)
    stored = [key for uploader in uploaders for key in uploader.stored]
    waiting_for(lambda: all(is_logged(repo, key) for key in stored), 6)
    servers[-1].stop()
    assert set(stored) <= objects(repo.annex_dir)
    assert not [text for text in complaints(repo) if text.startswith(tuple(stored))]


@pytest.mark.parametrize("then", ["goes on", "stop"])
def test_new_workers_end_no_upload(then: str, repo: Repo, start: Callable[..., WatchedServer]) -> None:
    """However long it takes; but the end of the server does."""
    server = start(repo.path, "--wideopen", "--cpus=1", limits="grace=0")
    server.at_rest()
    data = b"x" * 1000
    api = Api(server, repo.uuid)
    path = api.path("put", key=sha256_key(data), clientuuid="slow")
    with server.raw() as client:
        client.send(f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: 1000\r\nContent-Length: 1000\r\n\r\n".encode())
        client.send(data[:500])
        waiting_for((repo.annex_dir / "tmp" / sha256_key(data)).exists)
        before = server.workers
        server.process.send_signal(signal.SIGHUP)
        waiting_for(lambda: len(server.workers) == 2)
        assert not api.present(sha256_key(data))
        assert before[0] in server.workers
        if then == "stop":
            server.stop()
            assert client.rest() == b""
        else:
            client.send(data[500:])
            assert client.answer().json["stored"]
            waiting_for(lambda: before[0] not in server.workers)
    api.close()


def test_an_upload_that_the_end_of_the_server_cut_off_goes_on(
    repo: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    data = os.urandom(1_000_000)
    key = sha256_key(data)
    offset = 0
    arrived = repo.annex_dir / "tmp" / key
    for number in (signal.SIGTERM, signal.SIGKILL):
        server = start(repo.path, "--wideopen", "--cpus=1", limits="grace=0.5")
        with crowd(server, [put(talk(server, repo.uuid), key, len(data) - offset, offset=offset)]) as (client,):
            client.send(data[offset : offset + 300_000])
            offset += 300_000
            waiting_for(partial(has_size, arrived, offset))
            server.stop(number)
            client.rest()
        assert key not in objects(repo.annex_dir)
    api = talk(start(repo.path, "--wideopen", "--cpus=1"), repo.uuid)
    assert api.post("putoffset", key).json == {"offset": offset}
    assert api.put(key, data[offset:], offset=offset).json["stored"] is True
    assert api.get(key).body == data


def test_an_upload_that_goes_on_when_the_server_is_told_to_stop(
    repo: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1")
    data = os.urandom(100_000)
    upload = put(talk(server, repo.uuid), sha256_key(data), len(data)) + data[:50_000]
    with crowd(server, [upload, b"GET /healthz HTTP/1.1\r\n\r\n"]) as (client, idle):
        waiting_for((repo.annex_dir / "tmp" / sha256_key(data)).exists)
        assert idle.answer().status == 200
        server.process.terminate()
        assert idle.rest() == b""
        client.send(data[50_000:])
        answer = client.answer()
    assert answer.json["stored"] is True
    assert answer.headers["connection"] == "close", "another upload on this connection would fail"
    server.stop()
    assert is_logged(repo, sha256_key(data))


def test_what_a_killed_worker_did_not_commit_is_committed(
    repo: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1")
    assert talk(server, repo.uuid).put(sha256_key(b"abc"), b"abc").json["stored"] is True
    os.kill(server.workers[0], signal.SIGKILL)
    assert not is_logged(repo, sha256_key(b"abc"))
    waiting_for(lambda: is_logged(repo, sha256_key(b"abc")), 5)


def test_locations_are_committed_in_time_whatever_goes_on(
    repo: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    """The time of each commit is taken from git, which knows seconds: none is later than five after the change."""
    server = start(repo.path, "--wideopen", "--cpus=2")
    api = talk(server, repo.uuid)
    with crowd(server, [put(api, sha256_key(LARGE), len(LARGE)) + b"an upload that stands still"]):
        stored: dict[str, float] = {}
        end = time.monotonic() + 7
        while time.monotonic() < end:
            data = os.urandom(100)
            assert talk(server, repo.uuid).put(sha256_key(data), data).json["stored"] is True
            stored[sha256_key(data)] = time.time()
            time.sleep(0.2)  # how busy they are; a second of quiet would be a reason to commit
        waiting_for(lambda: is_logged(repo, list(stored)[-1]), 6)
    for key, when in stored.items():
        committed = repo.git("log", "-1", "--format=%ct", "git-annex", "--", log_path(key))
        assert float(committed) - when <= 5


def log_path(key: str) -> str:
    digest = hashlib.md5(key.encode()).hexdigest()
    return f"{digest[:3]}/{digest[3:6]}/{key}.log"


def is_logged(repo: Repo, key: str) -> bool:
    return f" 1 {repo.uuid}" in repo.git("cat-file", "blob", f"git-annex:{log_path(key)}", check=False)


def test_a_journal_that_somebody_else_holds(
    tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    top = tmp_path / "top"
    held, other = make_repo(top / "held", clone=1), make_repo(top / "other", clone=2)
    key = held.add("a", b"hello\n")
    server = start(top, "--wideopen", "--cpus=1", "--directory", str(top))
    api, others = talk(server, held.uuid), talk(server, other.uuid)
    contents = [b"content %d" % number for number in range(40)]
    assert others.present(ABSENT) is False
    assert api.present(key)
    before = server.at_rest()
    uploads = [put(api, sha256_key(data), len(data)) + data for data in contents]
    # As a git-annex does for minutes that merges large branches
    others_journal = FileLocks().exclusive(os.fsencode(held.annex_dir / "journal.lck"), 10)
    try:
        with crowd(server, uploads) as clients:
            waiting_for(lambda: set(map(sha256_key, contents[:20])) & objects(held.annex_dir) != set())
            assert api.present(key)
            assert api.get(key).body == b"hello\n"
            assert others.put(sha256_key(b"abc"), b"abc").json["stored"] is True
            others.unlock(others.lock(sha256_key(b"abc")))
            assert others.post("putoffset", ABSENT).json == {"offset": 0}
            others_journal.release()
            assert all(client.answer().json["stored"] is True for client in clients)
    finally:
        others_journal.release()
    server.settled(before)


def test_questions_for_repositories_that_do_not_exist(
    tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    """They have all directories searched, but neither at once nor again and again."""
    top = tmp_path / "top"
    repo = make_repo(top / "repo")
    for number in range(2000):
        (top / str(number % 40) / str(number)).mkdir(parents=True)
    server = start(tmp_path, "--wideopen", "--cpus=1", "--directory", str(top))
    api = talk(server, repo.uuid)
    assert api.present(ABSENT) is False
    before = server.at_rest()
    end = time.monotonic() + 2

    def ask(number: int) -> int:
        stranger = Api(server, f"{number:08}-0000-4000-8000-000000000000")
        asked = 0
        while time.monotonic() < end:
            assert stranger.post("checkpresent", ABSENT).status == 404
            asked += 1
        stranger.close()
        return asked

    with ThreadPoolExecutor(8) as pool:
        counts = pool.map(ask, range(8))
        slowest = 0.0
        while time.monotonic() < end:
            began = time.monotonic()
            assert api.present(ABSENT) is False
            slowest = max(slowest, time.monotonic() - began)
        assert sum(counts) > 8 * 2
    assert slowest < 1
    server.settled(before)
