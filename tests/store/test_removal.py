"""Removing content, side by side with the real git-annex-shell on copies of one repository."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.annexlog.journal import Journal
from annexshell.disk.filelock import Lock
from annexshell.disk.scratch import Scratch
from annexshell.errors import DiskError, DiskFull, TooLate
from annexshell.model.key import parse_key
from annexshell.relay.copy import receive
from annexshell.repo.port import Writing
from annexshell.store import removal
from annexshell.store.locks import ContentLocks
from annexshell.store.protection import Protection
from annexshell.stream.memory import MemoryStream
from tests.repo.places import existing, make_repo, open_repo
from tests.store.conftest import Connect
from tests.store.test_objects import other_place, stored
from tests.support.client import sha256_key
from tests.support.real import Repo

SIDES = ["ours", "real"]
CONTENT = b"content to be removed"
KEY = sha256_key(CONTENT)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("side", SIDES)
def test_what_is_gone(tmp_path: Path, connect: Connect, side: str) -> None:
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    (repo.annex_dir / "tmp").mkdir(exist_ok=True)
    partial = repo.annex_dir / "tmp" / KEY
    partial.write_bytes(b"another upload has begun")
    client = connect(side, repo)
    assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
    assert not path.parent.exists()
    assert partial.exists()
    branch = repo.git("rev-parse", "git-annex")
    assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
    assert client.ask("REMOVE WORM--never_seen") == "SUCCESS"
    assert client.close() == (0, "")
    assert repo.location_log(KEY) == {repo.uuid: "0"}
    assert repo.location_log("WORM--never_seen") == {}
    assert repo.git("rev-parse", "git-annex^") == branch
    repo.annex("fsck", "-q", "--key", KEY, check=False)
    assert repo.location_log(KEY) == {repo.uuid: "0"}


def test_content_may_lie_in_two_places(tmp_path: Path, connect: Connect) -> None:
    """The original removes the first and says that all is gone."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    other = other_place(repo, path)
    shutil.copytree(path.parent, other.parent)
    client = connect("ours", repo)
    assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
    assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
    assert not path.parent.exists()
    assert not other.parent.exists()


def test_a_lock_in_the_second_place(tmp_path: Path, connect: Connect) -> None:
    """Half a removal is none: the content is still here, and the log goes on saying so."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    other = other_place(repo, path)
    other.parent.parent.mkdir(parents=True)
    path.parent.chmod(0o755)
    path.parent.rename(other.parent)
    locker = connect("real", repo)
    assert locker.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
    path.parent.mkdir()
    shutil.copy(other, path)
    client = connect("ours", repo)
    assert client.ask(f"REMOVE {KEY}") == "FAILURE"
    assert client.ask(f"CHECKPRESENT {KEY}") == "SUCCESS"
    assert client.close()[0] == 0
    assert other.exists()
    assert repo.location_log(KEY) == {repo.uuid: "1"}


@pytest.mark.parametrize("side", SIDES)
def test_a_refused_removal_leaves_all_as_it_was(tmp_path: Path, connect: Connect, side: str) -> None:
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    client = connect(side, repo)
    assert client.ask(f"REMOVE-BEFORE 1 {KEY}") == "FAILURE"
    assert (mode(path), mode(path.parent)) == (0o444, 0o555)
    assert os.listdir(path.parent) == [KEY]
    locker = connect("ours", repo)
    assert locker.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
    assert client.ask(f"REMOVE {KEY}") == ("FAILURE" if side == "ours" else "")
    assert (mode(path), mode(path.parent)) == (0o444, 0o555)
    assert repo.location_log(KEY) == {repo.uuid: "1"}
    client.close()


@pytest.mark.parametrize("side", SIDES)
def test_a_lock_that_nobody_has_promised(tmp_path: Path, connect: Connect, side: str) -> None:
    """Such as git-annex itself takes while it moves content between remotes."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    path.parent.chmod(0o755)
    lock = path.with_name(f"{KEY}.lck")
    lock.touch()
    path.parent.chmod(0o555)
    client = connect(side, repo)
    with lock.open() as file:
        fcntl.lockf(file, fcntl.LOCK_SH)
        assert client.ask(f"REMOVE {KEY}") == ("FAILURE" if side == "ours" else "")
    assert mode(path.parent) == 0o555
    assert lock.exists()
    assert connect(side, repo).ask(f"REMOVE {KEY}") == "SUCCESS"


# The trashbin


def with_trashbin(repo: Repo, path: Path) -> Repo:
    """Another repository that keeps what is removed from this one."""
    trashbin = make_repo(path, clone=1)
    assert trashbin.uuid != repo.uuid
    repo.git("remote", "add", "bin", str(trashbin.path))
    repo.git("config", "remote.bin.annex-uuid", trashbin.uuid)
    repo.git("config", "annex.trashbin", "bin")
    return trashbin


@pytest.mark.parametrize("full", [False, True])
def test_the_trashbin_keeps_what_is_removed(tmp_path: Path, connect: Connect, full: bool) -> None:
    """Also what it has already."""
    logs = []
    for side in SIDES:
        repo, _ = stored(tmp_path / side, connect, CONTENT)
        trashbin = with_trashbin(repo, tmp_path / f"{side} trashbin")
        if full:
            assert connect("real", trashbin).put(KEY, CONTENT) == "SUCCESS"
        client = connect(side, repo)
        assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
        assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
        assert client.close() == (0, "")
        assert connect("real", trashbin).get(KEY) == CONTENT
        assert trashbin.location_log(KEY) == {trashbin.uuid: "1"}
        logs.append({{repo.uuid: "here", trashbin.uuid: "bin"}[u]: s for u, s in repo.location_log(KEY).items()})
        assert f"{trashbin.uuid} -- bin" in repo.annex("whereis", "--key", KEY)
    assert logs == [{"here": "0", "bin": "1"}] * 2


TROUBLES: dict[str, Callable[[Repo], object]] = {
    "gone": lambda trashbin: shutil.rmtree(trashbin.path),
    "full": lambda trashbin: trashbin.git("config", "annex.diskreserve", "900 PB"),
    "choosy": lambda trashbin: trashbin.git("config", "annex.securehashesonly", "true"),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_can_not_be_kept_is_not_removed(tmp_path: Path, connect: Connect, side: str, trouble: str) -> None:
    repo = make_repo(tmp_path / "repo")
    client = connect("ours", repo)
    assert client.put("WORM-s21--x", CONTENT) == "SUCCESS"
    client.close()
    TROUBLES[trouble](with_trashbin(repo, tmp_path / "trashbin"))
    client = connect(side, repo)
    assert client.ask("REMOVE WORM-s21--x") == ("FAILURE" if side == "ours" else "")
    code, errors = client.close()
    assert code == (0 if side == "ours" else 1)
    assert side == "real" or "not removed, because it could not be moved to the trashbin" in errors
    assert connect("real", repo).get("WORM-s21--x") == CONTENT
    assert repo.location_log("WORM-s21--x") == {repo.uuid: "1"}


def test_a_bad_object_does_not_get_into_the_trashbin(tmp_path: Path, connect: Connect) -> None:
    """Nor does it vanish: what is left of a content may be all there is."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    trashbin = with_trashbin(repo, tmp_path / "trashbin")
    path.chmod(0o644)
    path.write_bytes(CONTENT.upper())
    client = connect("ours", repo)
    assert client.ask(f"REMOVE {KEY}") == "FAILURE"
    assert "verification of content failed" in client.close()[1]
    assert path.read_bytes() == CONTENT.upper()
    assert list(trashbin.annex_dir.glob("objects/*/*/*")) == []


def test_a_trashbin_elsewhere_is_refused(tmp_path: Path, connect: Connect) -> None:
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    with_trashbin(repo, tmp_path / "trashbin")
    for url in ("ssh://localhost/trashbin", ""):
        repo.git("config", "remote.bin.url", url)
        client = connect("ours", repo)
        assert client.ask(f"REMOVE {KEY}") == "FAILURE"
        assert "is not a repository on this machine" in client.close()[1]
    repo.git("config", "annex.trashbin", "nowhere")
    assert connect("ours", repo).ask(f"REMOVE {KEY}") == "FAILURE"
    assert existing(repo.path).location_log(KEY) == {repo.uuid: "1"}
    assert path.exists()


# What can't be recorded


def failing(monkeypatch: pytest.MonkeyPatch, error: int, times: int) -> None:
    """The next `times` files that are written for the journal find a disk that is full or broken."""
    fill = Scratch._fill
    left = [times]

    def faulty(self: Scratch, fd: int, data: bytes) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(error, os.strerror(error))
        fill(self, fd, data)

    monkeypatch.setattr(Scratch, "_fill", faulty)


def notes(repo: Repo) -> list[str]:
    directory = repo.annex_dir / "annexshell/unrecorded"
    return os.listdir(directory) if directory.exists() else []


FULL = [errno.ENOSPC, errno.EDQUOT, errno.EIO]


@pytest.mark.parametrize("error", FULL)
def test_a_removal_makes_the_room_for_its_record(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    repository = open_repo(repo)
    failing(monkeypatch, error, 1)
    repository.remove(parse_key(KEY.encode()))
    assert not path.parent.exists()
    monkeypatch.undo()
    repository.close()
    assert notes(repo) == []
    assert repo.location_log(KEY) == {repo.uuid: "0"}


def test_notes_that_are_damaged_hold_up_no_commit(tmp_path: Path, connect: Connect) -> None:
    repo, _ = stored(tmp_path / "repo", connect, CONTENT)
    repository = open_repo(repo)
    repository.remove(parse_key(KEY.encode()))
    (repo.annex_dir / "annexshell/unrecorded").rmdir()
    (repo.annex_dir / "annexshell/unrecorded").write_text("no directory")
    with pytest.raises(DiskError, match="while committing the location log"):
        repository.close()
    assert repo.location_log(KEY) == {repo.uuid: "0"}
    assert list((repo.annex_dir / "journal").iterdir()) == []


@pytest.mark.parametrize("error", FULL)
def test_what_can_not_be_recorded_now_is_recorded_later(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """By another process, if need be; and a removal that was done is not told as one that failed."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    repository = open_repo(repo)
    failing(monkeypatch, error, 1000)
    repository.remove(parse_key(KEY.encode()))
    assert not path.parent.exists()
    with pytest.raises(DiskError):
        repository.close()
    assert notes(repo) == [KEY]
    assert repo.location_log(KEY) == {repo.uuid: "1"}
    monkeypatch.undo()
    assert connect("ours", repo).close() == (0, "")
    assert notes(repo) == []
    assert repo.location_log(KEY) == {repo.uuid: "0"}


def test_a_removal_that_is_killed_before_its_record(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next session records it, so that the log does not go on telling of an object that is gone."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    repository = open_repo(repo)

    def die(*_: object) -> None:
        assert not path.exists()
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        with pytest.raises(SystemExit):
            repository.remove(parse_key(KEY.encode()))
    assert notes(repo) == [KEY]
    assert repo.location_log(KEY) == {repo.uuid: "1"}
    assert connect("ours", repo).close() == (0, "")
    assert notes(repo) == []
    assert repo.location_log(KEY) == {repo.uuid: "0"}
    repository.close()


def test_a_note_says_nothing_of_what_is_true_later(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, _ = stored(tmp_path / "repo", connect, CONTENT)
    repository = open_repo(repo)
    failing(monkeypatch, errno.ENOSPC, 1000)
    repository.remove(parse_key(KEY.encode()))
    monkeypatch.undo()
    client = connect("real", repo)
    assert client.put(KEY, CONTENT) == "SUCCESS"
    client.close()
    repository.close()
    assert notes(repo) == []
    assert repo.location_log(KEY) == {repo.uuid: "1"}


def test_an_object_that_can_not_be_recorded(tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays and is recorded later, but nothing is acknowledged that is not recorded."""
    repo = make_repo(tmp_path / "repo")
    repository = open_repo(repo)
    writing = repository.put(parse_key(KEY.encode()), b"")
    assert isinstance(writing, Writing)
    receive(MemoryStream(CONTENT), writing.begin, len(CONTENT))
    failing(monkeypatch, errno.ENOSPC, 1000)
    with pytest.raises(DiskFull):
        writing.finish(True)
    assert notes(repo) == [KEY]
    monkeypatch.undo()
    repository.close()
    assert repo.location_log(KEY) == {repo.uuid: "1"}
    assert notes(repo) == []
    assert connect("ours", repo).ask(f"PUT  {KEY}") == "ALREADY-HAVE"


def test_a_removal_that_fails_leaves_the_log_as_it_was(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    repository = open_repo(repo)

    def fail(_self: Protection, path: bytes) -> None:
        if not path.endswith(b".lck"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Protection, "unlink", fail)
    with pytest.raises(DiskError):
        repository.remove(parse_key(KEY.encode()))
    monkeypatch.undo()
    repository.close()
    assert path.read_bytes() == CONTENT
    assert repo.location_log(KEY) == {repo.uuid: "1"}


def test_what_is_gone_is_not_told_as_failed_for_what_is_left_of_it(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    warnings: list[str] = []
    repository = open_repo(repo, warnings)

    def fail(_self: object, path: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(ContentLocks, "tidy_directory", fail)
    repository.remove(parse_key(KEY.encode()))
    monkeypatch.undo()
    repository.close()
    assert not path.exists()
    assert "tidied up" in warnings[0]
    assert repo.location_log(KEY) == {repo.uuid: "0"}


@pytest.mark.parametrize("content", [b"", CONTENT[:5], CONTENT + b"more"])
def test_a_bad_object_can_be_removed(tmp_path: Path, connect: Connect, content: bytes) -> None:
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    path.chmod(0o644)
    path.write_bytes(content)
    client = connect("ours", repo)
    for request in ("CHECKPRESENT", "LOCKCONTENT"):
        assert client.ask(f"{request} {KEY}") == "FAILURE"
    assert client.ask(f"GET 0  {KEY}") == "DATA 0"
    assert client.line() == "INVALID"
    assert client.ask("FAILURE", f"REMOVE {KEY}") == "SUCCESS"
    client.close()
    assert not path.parent.exists()
    assert repo.location_log(KEY) == {repo.uuid: "0"}


def test_a_removal_whose_time_passes_while_it_waits_for_the_journal(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locks on other copies may have ended meanwhile."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    repository = open_repo(repo)
    clock = [100]
    lock = Journal.lock

    def slow(self: Journal) -> Lock:
        clock[0] += 10
        return lock(self)

    monkeypatch.setattr(removal, "boot_time", lambda: clock[0])
    monkeypatch.setattr(Journal, "lock", slow)
    with pytest.raises(TooLate):
        repository.remove(parse_key(KEY.encode()), 105)
    assert path.read_bytes() == CONTENT
    assert notes(repo) == []
    repository.remove(parse_key(KEY.encode()), 125)
    assert not path.exists()
    monkeypatch.undo()
    repository.close()
    assert repo.location_log(KEY) == {repo.uuid: "0"}
