"""annex.pidlock: one lock for all of a repository, shared with real git-annex processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from errno import EIO, ENOSPC, EPERM
from pathlib import Path

import pytest

from annexshell.disk.filelock import Lock
from annexshell.disk.pidfile import is_running, parse, side_locks
from annexshell.disk.pidlock import DEFAULT_TIMEOUT, PidLocks
from annexshell.disk.spawn import spawn, wait
from annexshell.errors import LockTimeout
from tests.support.client import Client
from tests.support.real import Repo

ROOT = Path(__file__).resolve().parents[2]
CLIENT_UUID = "11111111-1111-4111-8111-111111111111"
HOST = os.uname().nodename

# Holds a lock until its standard input ends, or keeps adding to a number for which it needs the lock.
_HOLDER = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from annexshell.disk.pidlock import PidLocks
top, times = os.fsencode(sys.argv[1]), int(sys.argv[2])
locks = PidLocks(top + b"/.git/annex", top, 60, {{}})
def number(change):
    with open(top + b"/number", "r+") as file:
        text = str(int(file.read() or 0) + change)
        file.seek(0)
        file.write(text)
for _ in range(times):
    with locks.exclusive(top + b"/.git/annex/number.lck", 60):
        number(1)
if not times:
    held = locks.exclusive(top + b"/.git/annex/held.lck", 60)
    print("held", flush=True)
    sys.stdin.read()
"""


def ours(top: Path | bytes, timeout: float = DEFAULT_TIMEOUT, env: dict[bytes, bytes] | None = None) -> PidLocks:
    """The locks of the repository with a work tree at `top`."""
    path = os.fsencode(top)
    return PidLocks(path + b"/.git/annex", path, timeout, env or {})


def holder(top: Path, times: int = 0) -> subprocess.Popen[str]:
    """Another process that locks with our code; without `times` it holds a lock when this returns."""
    child = subprocess.Popen(
        [sys.executable, "-ISc", _HOLDER, str(top), str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert times or child.stdout.readline() == "held\n"
    return child


def taken(lock: Lock | None) -> Lock:
    assert lock is not None
    return lock


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "what was waited for does not happen"
        time.sleep(0.001)


def text_of(pid: int, host: str = HOST) -> str:
    return f'PidLock {{lockingPid = {pid}, lockingHost = "{host}"}}'


def dead_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def full(*_: object) -> int:
    raise OSError(ENOSPC, os.strerror(ENOSPC))


class Place:
    """A directory with the shape of a repository, for tests without git-annex."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.annex_dir = top / ".git" / "annex"
        self.annex_dir.mkdir(parents=True)
        self.pid_file = self.annex_dir / "pidlock"
        self.lock = os.fsencode(self.annex_dir / "some.lck")
        self.locks = ours(top)

    def side_files(self) -> list[str]:
        """Those of its side locks that exist."""
        return [os.fsdecode(p) for p in side_locks([os.fsencode(self.pid_file)]) if os.path.exists(p)]

    def entries(self) -> list[str]:
        return sorted(os.listdir(self.annex_dir))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "place")
    yield place
    assert not place.side_files(), "a side lock is left behind"


@pytest.fixture
def pid_repo(repo: Repo) -> Iterator[Repo]:
    """A real repository with annex.pidlock, where git-annex gives up after a second."""
    yield with_pidlock(repo)
    assert not any(map(os.path.exists, side_locks([os.fsencode(repo.annex_dir / "pidlock")])))


def with_pidlock(repo: Repo) -> Repo:
    repo.git("config", "annex.pidlock", "true")
    repo.git("config", "annex.pidlocktimeout", "1")
    return repo


def connect(repo: Repo, path: Path | None = None, env: dict[str, str] | None = None) -> Client:
    """A client of the real git-annex-shell."""
    argv = ["git-annex-shell", "p2pstdio", str(path or repo.path), CLIENT_UUID, "--uuid", repo.uuid]
    client = Client(*argv, env=env)
    assert client.ask("VERSION 1") == "VERSION 1"
    return client


def gives_up(repo: Repo, path: Path | None = None, env: dict[str, str] | None = None) -> bool:
    """Whether a git-annex command that needs a lock has to do without."""
    done = subprocess.run(
        ["git", "annex", "setpresentkey", "WORM-s1--x", CLIENT_UUID, "1"],
        cwd=path or repo.path,
        env={**os.environ, **(env or {})},
        capture_output=True,
    )
    if done.returncode == 0:
        return False
    assert b"Gave up waiting for pid lock file" in done.stderr
    return True


class TestFile:
    """What is on disk while a lock is held and after it."""

    def test_it_names_the_process_and_everybody_may_read_it(self, place: Place) -> None:
        before = os.umask(0o077)
        try:
            with taken(place.locks.try_shared(place.lock)) as lock:
                assert place.pid_file.read_text() == text_of(os.getpid())
                assert stat.S_IMODE(place.pid_file.stat().st_mode) == 0o444
                assert place.pid_file.stat().st_nlink == 1
                assert place.entries() == ["pidlock", "some.lck"]
                (side,) = place.side_files()
                assert stat.S_IMODE(os.stat(side).st_mode) == 0o666
                assert lock.is_sane()
                assert (lock.path, lock.fd) == (place.lock, -1)
        finally:
            os.umask(before)
        assert place.entries() == ["some.lck"]
        assert not place.side_files()

    def test_all_locks_of_a_process_share_it(self, place: Place) -> None:
        first = taken(place.locks.try_exclusive(place.lock))
        identity = place.pid_file.stat().st_ino
        second = place.locks.shared(place.lock + b"2", 1)
        third = taken(ours(place.top).try_shared(place.lock + b"2"))
        first.release()
        third.release()
        third.release()
        assert place.pid_file.stat().st_ino == identity
        second.release()
        assert not place.pid_file.exists()

    def test_the_lock_file_is_created_and_its_mode_set(self, place: Place) -> None:
        created: list[bytes] = []
        top = os.fsencode(place.top)
        locks = PidLocks(top + b"/.git/annex", top, 1, {}, created.append)
        for take in (locks.try_exclusive, locks.try_shared):
            taken(take(place.lock)).release()
        assert created == [place.lock]

    def test_nothing_is_created_or_taken_when_told_so(self, place: Place) -> None:
        for take in (place.locks.try_exclusive, place.locks.try_shared):
            with pytest.raises(FileNotFoundError):
                take(place.lock, create=False)
        with pytest.raises(FileNotFoundError):
            place.locks.shared(place.lock + b"/below", 1)
        assert place.entries() == []
        assert not place.side_files()

    def test_what_is_write_protected_can_be_locked(self, place: Place) -> None:
        """Older repositories lock the object itself."""
        Path(os.fsdecode(place.lock)).write_bytes(b"content")
        os.chmod(place.lock, 0o444)
        taken(place.locks.try_exclusive(place.lock, create=False)).release()
        assert Path(os.fsdecode(place.lock)).read_bytes() == b"content"

    def test_a_full_disk_leaves_nothing(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        Path(os.fsdecode(place.lock)).touch()

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match=os.strerror(ENOSPC)):
                place.locks.try_shared(place.lock)
        assert place.entries() == ["some.lck"]
        assert not place.side_files()
        taken(place.locks.try_exclusive(place.lock)).release()

    @pytest.mark.parametrize("there", [False, True])
    def test_without_hard_links(self, place: Place, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
        def no_link(source: bytes, target: bytes) -> None:
            if there:  # another host is faster
                place.pid_file.write_text(text_of(1, "elsewhere"))
            raise PermissionError(EPERM, os.strerror(EPERM))

        monkeypatch.setattr(os, "link", no_link)
        lock = place.locks.try_shared(place.lock)
        if there:
            assert lock is None
            assert place.pid_file.read_text() == text_of(1, "elsewhere")
        else:
            with taken(lock):
                assert place.pid_file.read_text() == text_of(os.getpid())
                assert place.entries() == ["pidlock", "some.lck"]

    def test_a_full_disk_without_hard_links_leaves_nothing(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:

            def no_link(source: bytes, target: bytes) -> None:
                patch.setattr(os, "write", full)
                raise PermissionError(EPERM, os.strerror(EPERM))

            patch.setattr(os, "link", no_link)
            with pytest.raises(OSError, match=os.strerror(ENOSPC)):
                place.locks.try_shared(place.lock)
        assert place.entries() == ["some.lck"]

    def test_a_link_that_fails_and_is_there(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        link = os.link

        def lossy(source: bytes, target: bytes) -> None:
            link(source, target)
            raise OSError(EIO, os.strerror(EIO))

        monkeypatch.setattr(os, "link", lossy)
        with taken(place.locks.try_shared(place.lock)):
            assert place.pid_file.read_text() == text_of(os.getpid())

    def test_a_link_that_succeeds_beside_another(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        link, listdir = os.link, os.listdir
        monkeypatch.setattr(os, "listdir", lambda path: [*listdir(path), b"pidlock"])
        assert place.locks.try_shared(place.lock) is None
        monkeypatch.setattr(os, "listdir", listdir)
        assert place.entries() == ["some.lck"]

        def stale_handle(source: bytes, target: bytes) -> None:
            place.pid_file.write_text(text_of(1, "elsewhere"))
            link(source, source + b"2")

        monkeypatch.setattr(os, "link", stale_handle)
        assert place.locks.try_shared(place.lock) is None
        assert place.pid_file.read_text() == text_of(1, "elsewhere")


class TestHolder:
    """Who holds what is there already."""

    def test_another_hosts_is_respected_however_old(self, place: Place) -> None:
        place.pid_file.write_text(text_of(dead_pid(), "elsewhere"))
        os.utime(place.pid_file, (0, 0))
        assert place.locks.try_shared(place.lock) is None
        assert place.locks.try_exclusive(place.lock) is None
        started = time.monotonic()
        with pytest.raises(LockTimeout, match=r"pidlock has been held by process \d+ on elsewhere for over 0 seconds"):
            place.locks.exclusive(place.lock, 0.05)
        with pytest.raises(LockTimeout):
            ours(place.top, timeout=0.05).shared(place.lock, 60)
        assert time.monotonic() - started < 10
        assert "elsewhere" in place.pid_file.read_text()
        assert place.entries() == ["pidlock", "some.lck"]
        place.pid_file.unlink()
        place.locks.exclusive(place.lock, 0).release()

    @pytest.mark.parametrize("text", ["", "PidLock", "lockingPid = 1", text_of(1)[:-2], text_of(1).replace("1,", "x,")])
    def test_what_is_not_understood_is_respected(self, place: Place, text: str) -> None:
        place.pid_file.write_text(text)
        assert place.locks.try_shared(place.lock) is None
        assert place.pid_file.read_text() == text
        assert not place.side_files()

    def test_that_of_a_dead_process_is_taken_over(self, place: Place) -> None:
        place.pid_file.write_text(text_of(dead_pid()))
        with taken(place.locks.try_exclusive(place.lock)):
            assert place.pid_file.read_text() == text_of(os.getpid())
            assert place.entries() == ["pidlock", "some.lck"]
        assert place.entries() == ["some.lck"]

    def test_our_own_that_we_do_not_know_of_is_taken_over(self, place: Place) -> None:
        place.pid_file.write_text(text_of(os.getpid()))
        taken(place.locks.try_exclusive(place.lock)).release()

    def test_that_of_a_running_process_is_respected_even_without_its_side_lock(self, place: Place) -> None:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        place.pid_file.write_text(text_of(child.pid))
        assert place.locks.try_exclusive(place.lock) is None
        assert place.pid_file.read_text() == text_of(child.pid)
        child.communicate()
        taken(place.locks.try_exclusive(place.lock)).release()

    def test_a_process_that_only_has_the_number_of_the_holder_does_not_count(self, place: Place) -> None:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        place.pid_file.write_text(text_of(child.pid))
        hour_ago = time.time() - 3600
        os.utime(place.pid_file, (hour_ago, hour_ago))
        taken(place.locks.try_exclusive(place.lock)).release()
        child.communicate()

    def test_a_zombie_does_not_run(self) -> None:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        assert is_running(child.pid, time.time())
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_running(child.pid, time.time())
        child.communicate()

    def test_a_side_lock_that_is_held_is_respected(self, place: Place) -> None:
        (side, _), *_ = side_locks([os.fsencode(place.pid_file)]).items()
        child = subprocess.Popen(
            [
                sys.executable,
                "-ISc",
                "import fcntl, sys\nfile = open(sys.argv[1], 'w+')\nfcntl.lockf(file, fcntl.LOCK_SH)\n"
                "print(flush=True)\nsys.stdin.read()",
                side,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        assert place.locks.try_shared(place.lock) is None
        assert os.path.exists(side), "it belongs to the other process"
        child.communicate()
        taken(place.locks.try_shared(place.lock)).release()

    def test_a_side_lock_whose_file_is_gone_is_none(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its last holder deletes the file between our opening and our locking it; a third process has a new one."""
        (side, _), *_ = side_locks([os.fsencode(place.pid_file)]).items()
        with monkeypatch.context() as patch:
            patch.setattr(Lock, "is_sane", lambda lock: False)
            assert place.locks.try_shared(place.lock) is None
        assert os.path.exists(side), "it may be the third process's"
        taken(place.locks.try_shared(place.lock)).release()

    def test_who_lost_it_notices_and_leaves_it_to_its_new_holder(self, place: Place) -> None:
        lock = taken(place.locks.try_exclusive(place.lock))
        place.pid_file.unlink()
        assert not lock.is_sane()
        place.pid_file.write_text(text_of(1, "elsewhere"))
        assert not lock.is_sane()
        with pytest.raises(LockTimeout, match="on elsewhere"):
            place.locks.shared(place.lock + b"2", 0.01)
        lock.release()
        assert place.pid_file.read_text() == text_of(1, "elsewhere")
        assert place.locks.try_shared(place.lock) is None

    def test_another_process_of_ours_is_respected_until_it_is_killed(self, place: Place) -> None:
        child = holder(place.top)
        assert place.pid_file.read_text() == text_of(child.pid)
        assert place.locks.try_shared(place.lock) is None
        child.kill()
        child.communicate()
        assert place.pid_file.exists()
        with taken(place.locks.try_shared(place.lock)):
            assert place.pid_file.read_text() == text_of(os.getpid())

    def test_a_child_does_not_inherit_the_lock(self, place: Place) -> None:
        lock = taken(place.locks.try_exclusive(place.lock))
        reading, writing = os.pipe()
        child = spawn(["cat"], os.environb, stdin=reading)
        lock.release()
        other = holder(place.top)  # and the child still runs
        other.communicate()
        os.close(reading)
        os.close(writing)
        assert wait(child) == 0
        taken(place.locks.try_shared(place.lock)).release()

    def test_processes_take_turns(self, place: Place) -> None:
        (place.top / "number").touch()
        children = [holder(place.top, times=50) for _ in range(4)]
        for child in children:
            child.communicate(timeout=60)
        assert (place.top / "number").read_text() == "200"
        assert place.entries() == ["number.lck"]


class TestOneProcess:
    """Locks within a process are on paths, as if they were on files."""

    def test_an_exclusive_lock_excludes_all(self, place: Place) -> None:
        with taken(place.locks.try_exclusive(place.lock)):
            assert place.locks.try_shared(place.lock) is None
            assert place.locks.try_exclusive(place.lock) is None
            assert place.locks.is_exclusively_locked(place.lock)
            with taken(place.locks.try_exclusive(place.lock + b"2")):
                pass
        assert not place.locks.is_exclusively_locked(place.lock)
        taken(place.locks.try_exclusive(place.lock)).release()

    def test_shared_locks_exclude_exclusive_ones(self, place: Place) -> None:
        first, second = (taken(place.locks.try_shared(place.lock)) for _ in range(2))
        assert not place.locks.is_exclusively_locked(place.lock)
        first.release()
        assert place.locks.try_exclusive(place.lock) is None
        with pytest.raises(LockTimeout, match=r"some\.lck has been locked by somebody else in this process"):
            place.locks.exclusive(place.lock, 0.01)
        second.release()
        taken(place.locks.try_exclusive(place.lock)).release()

    def test_on_whatever_path_the_repository_was_reached(self, place: Place, tmp_path: Path) -> None:
        taken(place.locks.try_shared(place.lock)).release()
        (tmp_path / "link").symlink_to(place.top)
        linked = ours(tmp_path / "link")
        path = os.fsencode(tmp_path / "link/.git/annex/some.lck")
        with taken(place.locks.try_shared(place.lock)):
            assert linked.try_exclusive(path) is None
            with taken(linked.try_shared(path)) as lock:
                assert lock.is_sane()
        with taken(place.locks.try_shared(place.lock)):
            (side,) = side_locks([os.fsencode(tmp_path / "link/.git/annex/pidlock")])
            assert os.path.exists(side), "who uses the repository by that path must see the lock"
        with taken(linked.try_exclusive(path)):
            assert place.locks.is_exclusively_locked(place.lock)
            assert place.locks.try_shared(place.lock) is None

    def test_threads_take_turns(self, place: Place) -> None:
        inside: list[int] = []
        most: list[int] = []

        def work() -> None:
            locks = ours(place.top)
            for _ in range(20):
                with locks.exclusive(place.lock, 60):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(most) == 80
        assert max(most) == 1
        assert not place.pid_file.exists()

    def test_a_thread_waits_for_another(self, place: Place) -> None:
        attempts = []

        class Counting(PidLocks):
            def try_exclusive(self, path: bytes, create: bool = True) -> Lock | None:
                attempts.append(path)
                return super().try_exclusive(path, create)

        shared = taken(place.locks.try_shared(place.lock))
        top = os.fsencode(place.top)
        locks = Counting(top + b"/.git/annex", top, 60, {})
        got: list[Lock] = []
        thread = threading.Thread(target=lambda: got.append(locks.exclusive(place.lock, 20)))
        thread.start()
        until(lambda: len(attempts) > 3)
        assert not got
        shared.release()
        thread.join(20)
        with got[0]:
            assert place.locks.try_shared(place.lock) is None

    def test_waiting_creates_a_lock_file_that_was_deleted_again(self, place: Place) -> None:
        class Racing(PidLocks):
            raced = False

            def try_exclusive(self, path: bytes, create: bool = True) -> Lock | None:
                lock = super().try_exclusive(path, create)
                if not self.raced:
                    self.raced = True
                    os.unlink(path)
                    assert lock is not None
                    assert not lock.is_sane()
                return lock

        top = os.fsencode(place.top)
        locks = Racing(top + b"/.git/annex", top, 60, {})
        with locks.exclusive(place.lock, 5) as lock:
            assert locks.raced
            assert lock.is_sane()
            assert os.path.exists(place.lock)


class TestParent:
    """A parent that holds the lock tells its children so."""

    @staticmethod
    def variable(place: Place) -> bytes:
        return b"PIDLOCK_" + bytes(c for c in os.fsencode(place.pid_file) if chr(c).isalnum() or c == ord("_"))

    def test_nothing_is_taken_then(self, place: Place) -> None:
        place.pid_file.write_text(text_of(1, "elsewhere"))
        inherited = ours(place.top, env={self.variable(place): b"1"})
        with taken(inherited.try_exclusive(place.lock)) as lock, inherited.shared(place.lock + b"2", 1):
            assert lock.is_sane()
            assert inherited.try_shared(place.lock) is None
            assert place.locks.try_shared(place.lock) is None
            assert inherited.child_environment() == {self.variable(place): b"1"}
        assert place.pid_file.read_text() == text_of(1, "elsewhere")
        assert place.entries() == ["pidlock", "some.lck", "some.lck2"]

    def test_children_are_told_only_while_we_hold_it(self, place: Place) -> None:
        assert place.locks.child_environment() == {}
        with taken(place.locks.try_shared(place.lock)):
            assert place.locks.child_environment() == {self.variable(place): b"1"}
        assert place.locks.child_environment() == {}


class TestNames:
    """Recorded with git-annex: names of side locks."""

    def test_a_long_name(self) -> None:
        name = b"/tmp/pl/a-long-directory-name-for-the-md5/r/.git/annex/pidlock"
        path = b"/dev/shm/add4ae170b00f65fea7b232f4bbd97f0for-the-md5_r_.git_annex_pidlock.lck"
        assert side_locks([name]) == {path: True}

    def test_a_short_name(self) -> None:
        paths = {b"/dev/shm/tmp_pl_r_.git_annex_pidlock.lck": True, b"/dev/shmtmp_pl_r_.git_annex_pidlock.lck": False}
        assert side_locks([b"/tmp/pl/r/.git/annex/pidlock"]) == paths

    def test_characters_in_either_locale(self) -> None:
        name = "/tmp/pl/a-long-directory-name-for-the-md5/é/x/éé/.git/annex/pidlock".encode()
        hashed = b"/dev/shm/acd580ddeb876b00bfae061bb4c1a4dd"
        assert side_locks([name]) == {
            hashed + "he-md5_é_x_éé_.git_annex_pidlock.lck".encode(): True,
            hashed + "md5_é_x_éé_.git_annex_pidlock.lck".encode(): True,
        }

    @pytest.mark.parametrize(("length", "hashed"), [(32, False), (33, True)])
    def test_the_limit_between_short_and_long(self, length: int, hashed: bool) -> None:
        name = b"/" + b"x" * length
        start = hashlib.md5(name[1:]).hexdigest().encode() if hashed else b""
        assert next(iter(side_locks([name]))) == b"/dev/shm/" + start + b"x" * 32 + b".lck"

    def test_parse(self) -> None:
        assert parse(text_of(12, "a.b").encode()) == (12, b"a.b")
        assert parse(text_of(12, "").encode() + b"\n") == (12, b"")
        assert parse(b'PidLock {lockingPid = , lockingHost = "x"}') is None
        assert parse(b'PidLock {lockingPid = %b, lockingHost = "x"}' % (b"9" * 5000)) is None


class TestGitAnnex:
    """With the real one as the other party."""

    def test_it_gives_up_while_we_hold_the_lock(self, pid_repo: Repo) -> None:
        locks = ours(pid_repo.path)
        with taken(locks.try_shared(os.fsencode(pid_repo.annex_dir / "some.lck"))):
            assert gives_up(pid_repo)
        assert not gives_up(pid_repo)

    def test_it_waits_until_we_release_the_lock(self, pid_repo: Repo) -> None:
        pid_repo.git("config", "annex.pidlocktimeout", "60")
        lock = taken(ours(pid_repo.path).try_exclusive(os.fsencode(pid_repo.annex_dir / "some.lck")))
        with subprocess.Popen(
            ["git", "annex", "setpresentkey", "WORM-s1--x", CLIENT_UUID, "1"],
            cwd=pid_repo.path,
            stderr=subprocess.PIPE,
        ) as child:
            errors = child.stderr
            assert errors is not None
            until(lambda: b"waiting for pid lock" in errors.readline())
            lock.release()
            errors.read()
            assert child.wait() == 0

    def test_its_lock_keeps_us_out(self, pid_repo: Repo) -> None:
        key = pid_repo.add("file", b"content")
        locks = ours(pid_repo.path)
        path = os.fsencode(pid_repo.annex_dir / "some.lck")
        with connect(pid_repo) as client:
            assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
            assert locks.try_shared(path) is None
            with pytest.raises(LockTimeout, match=f"held by process {client.process.pid} on {HOST}"):
                locks.exclusive(path, 0.05)
            client.send("UNLOCKCONTENT")
            assert client.close()[0] == 0
        taken(locks.try_exclusive(path)).release()

    def test_it_is_refused_content_that_we_lock(self, pid_repo: Repo) -> None:
        key = pid_repo.add("file", b"content")
        locks = ours(pid_repo.path)
        with connect(pid_repo) as client:
            with taken(locks.try_shared(os.fsencode(pid_repo.annex_dir / "some.lck"))):
                assert client.ask(f"LOCKCONTENT {key}") == "FAILURE"
            assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
            client.send("UNLOCKCONTENT")
            assert client.close()[0] == 0

    def test_either_takes_over_from_the_other_killed(self, pid_repo: Repo) -> None:
        key = pid_repo.add("file", b"content")
        path = os.fsencode(pid_repo.annex_dir / "some.lck")
        client = connect(pid_repo)
        assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
        client.kill()
        assert (pid_repo.annex_dir / "pidlock").exists()
        taken(ours(pid_repo.path).try_exclusive(path)).release()

        child = holder(pid_repo.path)
        child.kill()
        child.communicate()
        assert (pid_repo.annex_dir / "pidlock").exists()
        assert not gives_up(pid_repo)
        assert not (pid_repo.annex_dir / "pidlock").exists()

    def test_on_another_path_we_see_that_it_runs(self, pid_repo: Repo, tmp_path: Path) -> None:
        """It has another side lock then; and one git-annex would take the lock over from the other."""
        key = pid_repo.add("file", b"content")
        (tmp_path / "link").symlink_to(pid_repo.path)
        with connect(pid_repo, tmp_path / "link") as client:
            assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
            assert ours(pid_repo.path).try_shared(os.fsencode(pid_repo.annex_dir / "some.lck")) is None
            client.send("UNLOCKCONTENT")
            assert client.close()[0] == 0

    def test_what_was_named_by_a_symlink_is_locked_on_both_paths(self, pid_repo: Repo, tmp_path: Path) -> None:
        key = pid_repo.add("file", b"content")
        link = tmp_path / "link"
        link.symlink_to(pid_repo.path)
        with taken(ours(link).try_shared(os.fsencode(link / ".git/annex/some.lck"))):
            assert gives_up(pid_repo)
            with connect(pid_repo, link) as client:
                assert client.ask(f"LOCKCONTENT {key}") == "FAILURE"

    def test_a_linked_work_tree_is_locked_by_all_its_names(self, pid_repo: Repo, tmp_path: Path) -> None:
        key = pid_repo.add("file", b"content")
        tree, link = tmp_path / "tree", tmp_path / "link"
        pid_repo.git("worktree", "add", "-q", "-b", "other", str(tree))
        link.symlink_to(tree)
        assert not gives_up(pid_repo, tree)
        locks = PidLocks(os.fsencode(pid_repo.annex_dir), os.fsencode(link), 1, {})
        with taken(locks.try_shared(os.fsencode(pid_repo.annex_dir / "some.lck"))):
            for path in (pid_repo.path, tree, link):
                with connect(pid_repo, path) as client:
                    assert client.ask(f"LOCKCONTENT {key}") == "FAILURE"
            assert gives_up(pid_repo, tree)

    def test_a_bare_repository(self, bare: Repo, tmp_path: Path) -> None:
        with_pidlock(bare)
        link = tmp_path / "link"
        link.symlink_to(bare.path)
        locks = PidLocks(os.fsencode(link / "annex"), None, 1, {})
        with taken(locks.try_shared(os.fsencode(link / "annex/some.lck"))):
            assert gives_up(bare)
        assert not gives_up(bare)

    @pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
    def test_a_name_that_is_cut_differently_in_each_locale(self, tmp_path: Path, locale: str) -> None:
        repo = with_pidlock(Repo(tmp_path / "ééé"))
        with taken(ours(repo.path).try_shared(os.fsencode(repo.annex_dir / "some.lck"))):
            assert gives_up(repo, env={"LC_ALL": locale})

    @pytest.mark.skipif(os.geteuid() != 0, reason="then git-annex may find no side lock at all")
    def test_a_short_name(self) -> None:
        top = Path(tempfile.mkdtemp(prefix="", dir="/tmp"))
        try:
            repo = with_pidlock(Repo(top))
            assert len(str(repo.annex_dir / "pidlock")) <= 33
            with taken(ours(repo.path).try_shared(os.fsencode(repo.annex_dir / "some.lck"))):
                assert gives_up(repo)
            assert not gives_up(repo)
        finally:
            subprocess.run(["chmod", "-R", "u+w", top])
            shutil.rmtree(top)

    def test_our_child_need_not_wait_for_us(self, pid_repo: Repo, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(pid_repo.path)
        locks = ours(link)
        with taken(locks.try_exclusive(os.fsencode(link / ".git/annex/some.lck"))):
            told = {os.fsdecode(k): os.fsdecode(v) for k, v in locks.child_environment().items()}
            assert not gives_up(pid_repo, env=told)
            assert (pid_repo.annex_dir / "pidlock").exists()

    def test_what_it_is_removing_does_not_show(self, pid_repo: Repo, tmp_path: Path) -> None:
        """Nor does it to itself: without pid locks inannex would exit with 100."""
        key = pid_repo.add("file", b"content")
        begun, end = tmp_path / "begun", tmp_path / "end"
        os.mkfifo(begun)
        os.mkfifo(end)
        pid_repo.git("config", "annex.secure-erase-command", f"echo > {begun}; cat {end}; true %file")
        with subprocess.Popen(
            ["git", "annex", "drop", "--quiet", "--force", "--key", key], cwd=pid_repo.path
        ) as dropping:
            begun.read_text()
            (lock_file,) = pid_repo.annex_dir.glob(f"objects/*/*/{key}/{key}.lck")
            inannex = subprocess.run(["git-annex-shell", "inannex", str(pid_repo.path), key, "--uuid", pid_repo.uuid])
            assert inannex.returncode == 0
            locks = ours(pid_repo.path)
            assert not locks.is_exclusively_locked(os.fsencode(lock_file))
            assert locks.try_shared(os.fsencode(lock_file)) is None
            end.write_text("go on")
            assert dropping.wait() == 0
