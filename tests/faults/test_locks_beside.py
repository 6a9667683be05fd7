"""The original locks and unlocks the same contents all the time, which deletes its time stamps: whatever becomes of the
clients of ours, this server removes nothing that is locked through it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID
from tests.repo.places import make_repo, waiting_for
from tests.support.census import WatchedServer
from tests.support.client import Client, sha256_key
from tests.support.httpserver import Api
from tests.support.real import Repo

SECONDS = 6.0
CONTENTS = 3  # of which every client has its eye on one after the other


class Promises:
    """Which contents are locked for clients, by what they were told and when. Whatever was promised before a removal
    was asked for, and not given up before that was answered, the removal had to respect."""

    def __init__(self) -> None:
        self._contents = [b"content %d" % slot for slot in range(CONTENTS)]
        self.keys = [sha256_key(content) for content in self._contents]
        self.dead: list[str] = []  # those that somebody had locked who went without a word
        self.broken: list[str] = []
        self.removals = 0
        self.locks = 0
        self._mutex = threading.Lock()
        self._since: dict[str, list[float]] = {}

    def contents(self) -> list[tuple[bytes, str]]:
        with self._mutex:
            return list(zip(self._contents, self.keys, strict=True))

    def locked(self, key: str) -> float:
        with self._mutex:
            now = time.monotonic()
            self.locks += 1
            self._since.setdefault(key, []).append(now)
            return now

    def unlocking(self, key: str, since: float) -> None:
        with self._mutex:
            self._since[key].remove(since)

    def died(self, key: str, slot: int) -> None:
        """The promise lasts; others go on with another content."""
        with self._mutex:
            self.dead.append(key)
            self._contents[slot] = b"content %d of %d" % (len(self.dead), slot)
            self.keys[slot] = sha256_key(self._contents[slot])

    def removed(self, key: str, asked: float) -> None:
        with self._mutex:
            self.removals += 1
            if any(since < asked for since in self._since.get(key, [])):
                self.broken.append(key)


class Crowd:
    """Everybody who is at work, each in a thread with connections of their own."""

    def __init__(self, repo: Repo, programs: dict[str, Path]) -> None:
        self.repo = repo
        self.programs = programs
        self.promises = Promises()
        self._over = threading.Event()
        self._errors: list[BaseException] = []
        self._clients: list[Client] = []

    def connect(self, side: str) -> Client:
        client = Client(self.programs[side], "p2pstdio", str(self.repo.path), CLIENT_UUID)
        self._clients.append(client)
        assert client.ask("VERSION 4") == "VERSION 4"
        return client

    def close(self) -> None:
        for client in self._clients:
            client.__exit__()

    def run(self, *workers: Callable[[int, int], None]) -> None:
        """Has each worker do rounds, which are told their number and whose content it is, until the time is over."""
        threads = [threading.Thread(target=self._rounds, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        self._over.wait(SECONDS)
        self._over.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        if self._errors:
            raise self._errors[0]

    def _rounds(self, worker: Callable[[int, int], None]) -> None:
        number = 0
        try:
            while not self._over.is_set():
                worker(number, number % CONTENTS)
                number += 1
        except BaseException as error:
            self._errors.append(error)
            self._over.set()


class Session:
    """One that is connected again after it was ended, and before what it says of refusals fills the pipe."""

    def __init__(self, crowd: Crowd, side: str) -> None:
        self._crowd = crowd
        self._side = side
        self.client = crowd.connect(side)
        self._asked = 0

    def ask(self, *lines: str) -> str:
        self._asked += 1
        if self._asked % 100 == 0:
            self.again()
        return self.client.ask(*lines)

    def again(self) -> None:
        self.client.kill()
        self.client = self._crowd.connect(self._side)


def original(crowd: Crowd) -> Callable[[int, int], None]:
    session = Session(crowd, "real")

    def lock_and_unlock(number: int, slot: int) -> None:
        promises = crowd.promises
        key = promises.dead[number // 2 % len(promises.dead)] if promises.dead and number % 2 else promises.keys[slot]
        answer = session.ask(f"LOCKCONTENT {key}")
        if answer == "SUCCESS":
            session.client.ask("UNLOCKCONTENT", f"CHECKPRESENT {key}")
        elif answer == "":
            session.again()

    return lock_and_unlock


def over_ssh(crowd: Crowd) -> Callable[[int, int], None]:
    session = Session(crowd, "ours")

    def lock(number: int, slot: int) -> None:
        key = crowd.promises.keys[slot]
        if session.ask(f"LOCKCONTENT {key}") != "SUCCESS":
            return
        since = crowd.promises.locked(key)
        if number % 15 == 14:
            session.again()
            crowd.promises.died(key, slot)
            return
        crowd.promises.unlocking(key, since)
        session.client.ask("UNLOCKCONTENT", f"CHECKPRESENT {key}")

    return lock


def over_http(crowd: Crowd, connect: Callable[[], Api]) -> Callable[[int, int], None]:
    apis = [connect(), connect()]  # perhaps with different workers

    def lock(number: int, slot: int) -> None:
        key = crowd.promises.keys[slot]
        lock_id = apis[0].lock(key)
        if not lock_id:
            return
        since = crowd.promises.locked(key)
        if number % 15 == 14:
            crowd.promises.died(key, slot)
            return
        crowd.promises.unlocking(key, since)
        path = apis[number % 2].path("keeplocked", lockid=lock_id, clientuuid="x")
        assert apis[number % 2].ask("POST", path, b'{"unlock":true}\n').status == 200

    return lock


def remover(crowd: Crowd) -> Callable[[int, int], None]:
    session = Session(crowd, "ours")

    def remove(number: int, slot: int) -> None:
        promises = crowd.promises
        dead = list(promises.dead)
        for key in [promises.keys[slot], *dead[number % 4 :: 4]]:
            asked = time.monotonic()
            if session.ask(f"REMOVE {key}") == "SUCCESS":
                promises.removed(key, asked)
        for content, key in promises.contents():
            assert session.client.put(key, content) in ("SUCCESS", "ALREADY-HAVE")

    return remove


@pytest.fixture
def crowd(shell: Path, programs: Path, tmp_path: Path) -> Iterator[Crowd]:
    crowd = Crowd(make_repo(tmp_path / "repo"), {"ours": shell, "real": programs / "git-annex-shell"})
    yield crowd
    crowd.close()


def test_nothing_that_is_locked_is_removed(
    crowd: Crowd, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(crowd.repo.path, "--wideopen", "--cpus=2", "--lockedfiles=10000", "--clientlocks=10000")
    crowd.run(
        original(crowd),
        original(crowd),
        over_ssh(crowd),
        over_http(crowd, lambda: talk(server, crowd.repo.uuid)),
        remover(crowd),
    )
    promises = crowd.promises
    assert promises.broken == []
    assert promises.locks > 20
    assert promises.removals > 0, "it was never tried in earnest"
    with crowd.connect("ours") as client:
        for key in promises.dead:
            assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS"
            assert client.ask(f"REMOVE {key}") == "FAILURE"


def test_the_original_removes_nothing_that_http_holds(
    crowd: Crowd, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    """A process holds the content, whichever has to; so the original keeps its hands from the time stamp, too."""
    key = crowd.repo.add("a", b"hello\n")
    server = start(crowd.repo.path, "--wideopen", "--cpus=2")
    api = talk(server, crowd.repo.uuid)
    lock_id = api.lock(key)
    assert lock_id
    path = Path(crowd.repo.path / crowd.repo.annex("contentlocation", key).strip())
    lock_and_unlock = original(crowd)
    crowd.promises.keys = [key] * CONTENTS
    for number in range(3):
        lock_and_unlock(number, 0)
        assert path.with_name(key + ".rtm").exists()
    path.parent.chmod(0o755)
    before = set(server.workers)
    os.kill(server.process.pid, signal.SIGHUP)
    waiting_for(lambda: not before & set(server.workers))
    waiting_for(lambda: is_held(path))
    lock_and_unlock(0, 0)
    assert path.with_name(key + ".rtm").exists()
    with crowd.connect("real") as client:
        assert client.ask(f"REMOVE {key}") == ""
    api = talk(server, crowd.repo.uuid)
    released = api.ask("POST", api.path("keeplocked", lockid=lock_id, clientuuid="x"), b'{"unlock":true}\n')
    assert released.status == 200
    waiting_for(lambda: not is_held(path))
    # That of the original's client, which may have died as far as anybody knows, stays.
    path.with_name(key + ".rtm").write_bytes(b"1s")
    (crowd.repo.annex_dir / "annexshell" / "claims" / key).write_bytes(b"0 0\n")
    assert api.removed(key)


def is_held(path: Path) -> bool:
    """Whether somebody holds a record lock on the object's lock file."""
    try:
        inode = path.with_name(path.name + ".lck").stat().st_ino
    except FileNotFoundError:
        return False
    return any(line.split()[5].endswith(f":{inode}") for line in Path("/proc/locks").read_text().splitlines())
