"""Our locks against the POSIX record locks that git-annex takes, in another process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from errno import ENOLCK
from pathlib import Path

import pytest

from annexshell.disk import filelock
from annexshell.disk.filelock import FileLocks, Lock
from annexshell.disk.spawn import spawn, wait
from annexshell.errors import LockTimeout
from tests.support.client import Client
from tests.support.real import Repo, run

# Obeys lines such as "exclusive PATH", "shared PATH" and "close PATH", in the way of git-annex: with fcntl(2).
_OTHER = """
import fcntl, os, sys
kinds = {"shared": (os.O_RDONLY, fcntl.LOCK_SH), "exclusive": (os.O_RDWR, fcntl.LOCK_EX)}
held = {}
for line in sys.stdin:
    command, path = line.split()
    answer = "yes"
    if command == "close":
        os.close(held.pop(path))
    else:
        flags, kind = kinds[command]
        fd = os.open(path, flags | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(fd, kind | fcntl.LOCK_NB)
            held[path] = fd
        except OSError:
            os.close(fd)
            answer = "no"
    print(answer, flush=True)
"""


class Other:
    """Another process that takes POSIX locks."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-ISc", _OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, command: str, path: bytes) -> bool:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(command, os.fsdecode(path), file=self.process.stdin, flush=True)
        return self.process.stdout.readline() == "yes\n"

    def can(self, kind: str, path: bytes) -> bool:
        """Whether it could lock the file just now."""
        got = self(kind, path)
        if got:
            self("close", path)
        return got


@pytest.fixture
def other() -> Iterator[Other]:
    other = Other()
    yield other
    other.process.kill()
    other.process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "lock")


@pytest.fixture
def locks() -> FileLocks:
    return FileLocks()


def taken(lock: Lock | None) -> Lock:
    assert lock is not None
    return lock


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "what was waited for does not happen"
        time.sleep(0.001)


def test_an_exclusive_posix_lock_keeps_us_out(locks: FileLocks, other: Other, path: bytes) -> None:
    assert other("exclusive", path)
    assert locks.try_shared(path) is None
    assert locks.try_exclusive(path) is None
    assert locks.is_exclusively_locked(path)
    assert other("close", path)
    taken(locks.try_exclusive(path)).release()
    assert not locks.is_exclusively_locked(path)


def test_a_shared_posix_lock_lets_shared_locks_in(locks: FileLocks, other: Other, path: bytes) -> None:
    assert other("shared", path)
    with taken(locks.try_shared(path)):
        assert locks.try_exclusive(path) is None
        assert not locks.is_exclusively_locked(path)
    assert locks.try_exclusive(path) is None


def test_our_exclusive_lock_keeps_posix_locks_out(locks: FileLocks, other: Other, path: bytes) -> None:
    with taken(locks.try_exclusive(path)):
        assert not other.can("shared", path)
        assert not other.can("exclusive", path)
    assert other.can("exclusive", path)


def test_our_shared_lock_lets_shared_posix_locks_in(locks: FileLocks, other: Other, path: bytes) -> None:
    with taken(locks.try_shared(path)):
        assert other.can("shared", path)
        assert not other.can("exclusive", path)
    assert other.can("exclusive", path)


def test_a_lock_survives_that_the_file_is_closed_elsewhere_in_the_process(
    locks: FileLocks, other: Other, path: bytes
) -> None:
    with taken(locks.try_exclusive(path)):
        open(path, "rb").close()
        assert locks.try_shared(path) is None
        assert not other.can("shared", path)


def test_one_of_two_shared_locks_of_a_process_is_still_a_lock(locks: FileLocks, other: Other, path: bytes) -> None:
    first, second = taken(locks.try_shared(path)), taken(locks.try_shared(path))
    first.release()
    assert not other.can("exclusive", path)
    second.release()
    assert other.can("exclusive", path)


def test_locks_of_one_process_exclude_each_other(locks: FileLocks, path: bytes) -> None:
    with taken(locks.try_exclusive(path)):
        assert locks.try_shared(path) is None
        assert locks.try_exclusive(path) is None
        assert FileLocks().is_exclusively_locked(path)
    with taken(locks.try_shared(path)), taken(locks.try_shared(path)):
        assert locks.try_exclusive(path) is None
        assert not locks.is_exclusively_locked(path)


def test_a_missing_file_is_created_and_its_mode_set_once(path: bytes) -> None:
    created: list[bytes] = []
    locks = FileLocks(created.append)
    for take in (locks.try_exclusive, locks.try_shared, locks.try_exclusive):
        taken(take(path)).release()
    assert created == [path]
    os.unlink(path)
    locks.shared(path, 1).release()
    assert created == [path, path]


def test_a_missing_file_is_not_created_when_told_so(locks: FileLocks, path: bytes) -> None:
    for take in (locks.try_exclusive, locks.try_shared):
        with pytest.raises(FileNotFoundError):
            take(path, create=False)
    assert not locks.is_exclusively_locked(path)
    assert not os.path.exists(path)
    with pytest.raises(FileNotFoundError):
        locks.exclusive(path + b"/below", 1)


def test_a_file_that_exists_is_locked_without_being_created(path: bytes) -> None:
    open(path, "wb").close()
    created: list[bytes] = []
    taken(FileLocks(created.append).try_exclusive(path, create=False)).release()
    assert created == []


def test_a_lock_is_sane_while_its_file_is_the_one_at_the_path(locks: FileLocks, path: bytes) -> None:
    with taken(locks.try_exclusive(path)) as lock:
        assert lock.is_sane()
        os.rename(path, path + b".old")
        assert not lock.is_sane()
        open(path, "wb").close()
        assert not lock.is_sane()
        os.rename(path + b".old", path)
        assert lock.is_sane()


def test_a_lock_may_be_released_twice(locks: FileLocks, other: Other, path: bytes) -> None:
    lock = taken(locks.try_exclusive(path))
    lock.release()
    somebody_elses = os.open("/dev/null", os.O_RDONLY)  # gets the number that the lock's descriptor had
    lock.release()
    os.close(somebody_elses)
    assert other.can("exclusive", path)


def test_waiting_ends_with_the_lock(path: bytes, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()
    run = filelock._Waiter._run

    def watched(self: filelock._Waiter) -> None:
        waiting.set()
        run(self)

    monkeypatch.setattr(filelock._Waiter, "_run", watched)
    assert other("shared", path)
    got: list[Lock] = []
    thread = threading.Thread(target=lambda: got.append(FileLocks().exclusive(path, 20)))
    thread.start()
    assert waiting.wait(20)
    assert not got
    assert other("close", path)
    thread.join(20)
    with got[0]:
        assert not other.can("shared", path)


def test_who_waits_has_its_turn_beside_who_always_comes_again(locks: FileLocks, path: bytes) -> None:
    """Two take the lock again as soon as they have given it up: each of many waits ends all the same."""
    over = threading.Event()

    def greedy() -> None:
        while not over.is_set():
            with locks.exclusive(path, 20):
                pass

    threads = [threading.Thread(target=greedy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            locks.exclusive(path, 20).release()
    finally:
        over.set()
        for thread in threads:
            thread.join(20)


def test_waiting_that_was_given_up_leaves_no_lock(locks: FileLocks, path: bytes) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with taken(locks.try_exclusive(path)):
        with pytest.raises(LockTimeout):
            locks.exclusive(path, 0.01)
        with pytest.raises(LockTimeout):
            locks.shared(path, 0.01)
    until(lambda: len(os.listdir("/proc/self/fd")) == before)
    taken(locks.try_exclusive(path)).release()


def test_where_no_thread_can_be_started_the_lock_is_tried_again(
    locks: FileLocks, path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = taken(locks.try_exclusive(path))

    def none(*_: object) -> None:
        lock.release()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(filelock, "start_new_thread", none)
    locks.exclusive(path, 20).release()


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_waiting_has_a_bound(kind: str, locks: FileLocks, path: bytes, other: Other) -> None:
    before = len(os.listdir("/proc/self/fd"))
    assert other("exclusive", path)
    started = time.monotonic()
    with pytest.raises(LockTimeout, match="lock has been locked by another process for over"):
        getattr(locks, kind)(path, 0.05)
    assert 0.05 <= time.monotonic() - started < 5
    assert other("close", path)
    until(lambda: len(os.listdir("/proc/self/fd")) == before)


def test_who_waits_for_a_file_that_is_deleted_gets_the_lock_of_its_successor(path: bytes, other: Other) -> None:
    class Racing(FileLocks):
        """Between opening and locking, whoever held the lock before deletes the file."""

        raced = False

        def try_exclusive(self, path: bytes, create: bool = True) -> Lock | None:
            lock = super().try_exclusive(path, create)
            if not self.raced:
                self.raced = True
                os.unlink(path)
            return lock

    locks = Racing()
    with locks.exclusive(path, 5) as lock:
        assert locks.raced
        assert lock.is_sane()
        assert not other.can("shared", path)


def test_a_child_does_not_inherit_a_lock(locks: FileLocks, other: Other, path: bytes) -> None:
    lock = taken(locks.try_exclusive(path))
    reading, writing = os.pipe()
    child = spawn(["cat"], os.environb, stdin=reading)
    lock.release()
    assert other.can("exclusive", path)  # and the child still runs
    os.close(reading)
    os.close(writing)
    assert wait(child) == 0


def test_other_errors_are_raised_and_nothing_stays_open(
    locks: FileLocks, path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(ENOLCK, os.strerror(ENOLCK))

    monkeypatch.setattr(filelock, "fcntl", no_locks)
    open(path, "wb").close()
    before = len(os.listdir("/proc/self/fd"))
    for take in (locks.try_shared, locks.try_exclusive, locks.is_exclusively_locked):
        with pytest.raises(OSError, match=os.strerror(ENOLCK)):
            take(path)
    with pytest.raises(IsADirectoryError):
        locks.try_exclusive(os.path.dirname(path))
    assert len(os.listdir("/proc/self/fd")) == before


def test_git_annex_and_we_exclude_each_other_from_content(locks: FileLocks, repo: Repo) -> None:
    key = repo.add("file", b"content")
    lock_file = os.fsencode(repo.annex_dir / "objects") + b"/%b/%b/%b.lck" % (
        repo.annex("examinekey", "--format=${hashdirmixed}", key).strip().rstrip("/").encode(),
        key.encode(),
        key.encode(),
    )
    run("chmod", "u+w", os.path.dirname(lock_file))
    inannex = ["git-annex-shell", "inannex", str(repo.path), key, "--uuid", repo.uuid]
    with taken(locks.try_exclusive(lock_file)):
        assert subprocess.run(inannex, stderr=subprocess.DEVNULL).returncode == 100
    with taken(locks.try_shared(lock_file)):
        assert subprocess.run(inannex, stderr=subprocess.DEVNULL).returncode == 0
    with Client(
        "git-annex-shell", "p2pstdio", str(repo.path), "11111111-1111-4111-8111-111111111111", "--uuid", repo.uuid
    ) as client:
        assert client.ask("VERSION 1") == "VERSION 1"
        assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
        assert locks.try_exclusive(lock_file) is None
        taken(locks.try_shared(lock_file)).release()
        client.send("UNLOCKCONTENT")
        assert client.close()[0] == 0
