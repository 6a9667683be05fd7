"""Content locks, side by side with the real git-annex-shell: what one of the two has locked, the other leaves alone."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annexshell.disk.perms import Perms
from annexshell.errors import DiskError
from annexshell.model.key import parse_key
from annexshell.repo.local.parts import ConfigVersion
from annexshell.store.objects import Objects
from annexshell.store.protection import Protection
from annexshell.store.retention import Retention
from tests.repo.locking import CONTENT, KEY, SIDES, Place, places, unlock
from tests.repo.places import open_repo, waiting_for
from tests.support.real import Repo

PAIRS = [("ours", "real"), ("real", "ours"), ("ours", "ours")]


@pytest.fixture
def place(shell: Path, programs: Path, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """place(version) is a repository of that version."""
    yield from places(shell, programs, tmp_path)


@pytest.mark.parametrize("version", [8, 9, 10])
@pytest.mark.parametrize(("holder", "remover"), PAIRS)
def test_what_one_holds_the_other_does_not_remove(
    place: Callable[..., Place], version: int, holder: str, remover: str
) -> None:
    here = place(version)
    client = here.locker(holder)
    assert not here.removes(remover)
    assert not here.removes(remover), "a refused removal must leave the lock as it is"
    unlock(client)
    assert here.beside() == set()
    assert here.removes(remover)
    assert not here.object.parent.exists()
    with here.connect(holder) as again:
        assert again.ask(f"LOCKCONTENT {KEY}") == "FAILURE"


@pytest.mark.parametrize("version", [8, 10])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_may_hold_it(place: Callable[..., Place], version: int, first: str, second: str) -> None:
    here = place(version)
    clients = [here.locker(first), here.locker(second)]
    unlock(clients[0])
    assert not here.removes("ours")
    assert not here.removes("real")
    with here.connect("ours") as client:  # another user's reading and looking drops no lock
        assert client.get(KEY) == CONTENT
    assert not here.removes("real")
    unlock(clients[1])
    if (first, second, version) == ("real", "ours", 10):
        here.expire()  # that of the original's client, which may have died as far as we know
    else:
        assert here.beside() == set()
    assert here.removes(first)


@pytest.mark.parametrize("version", [8, 10])
@pytest.mark.parametrize(("remover", "locker"), PAIRS)
def test_nothing_is_locked_that_is_being_removed(
    place: Callable[..., Place], version: int, remover: str, locker: str
) -> None:
    """The remover is stopped while it holds its lock, by a hook that waits for us."""
    here = place(version)
    started, go_on = here.repo.path / "started", here.repo.path / "go on"
    for fifo in (started, go_on):
        os.mkfifo(fifo)
    here.repo.git("config", "annex.secure-erase-command", f"echo > '{started}'; read x < '{go_on}'; : %file")
    removing = here.connect(remover)
    removing.send(f"REMOVE {KEY}")
    started.read_text()
    with here.connect(locker) as client:
        assert client.ask(f"LOCKCONTENT {KEY}") == "FAILURE"
        assert client.ask(f"CHECKPRESENT {KEY}") == "SUCCESS"
    assert here.command(locker, "inannex", KEY) == 100
    go_on.write_text("\n")
    assert removing.line() == "SUCCESS"
    assert not here.object.parent.exists()
    assert here.command(locker, "inannex", KEY) == 1


def test_each_removes_what_the_other_has_tidied_up(place: Callable[..., Place]) -> None:
    """An empty lock file that somebody left is no lock."""
    for side in SIDES:
        here = place()
        here.object.parent.chmod(0o755)
        here.object.with_name(KEY + ".lck").touch()
        assert here.command(side, "inannex", KEY) == 0
        assert here.removes(side)
        assert not here.object.parent.exists()
        here.repo.path.rename(here.repo.path.with_name(side))


# Version 10: files beside the object


@pytest.mark.parametrize("side", SIDES)
def test_the_files_of_a_lock(place: Callable[..., Place], side: str) -> None:
    here = place()
    before = time.time()
    client = here.locker(side)
    assert here.beside() == {".lck", ".rtm", ".rtl"}
    assert before + 600 <= here.deadline() <= time.time() + 600
    assert here.object.with_name(KEY + ".lck").read_bytes() == b""
    assert here.object.with_name(KEY + ".rtl").read_bytes() == b""
    assert here.claims.exists() == (side == "ours")
    assert not (here.repo.annex_dir / "sentinal.lck").exists()
    client.send("UNLOCKCONTENT")
    code, _ = client.close()
    assert code == 0
    assert here.beside() == set()
    assert not here.claims.exists()
    if os.getuid() != 0:
        assert not os.access(here.object.parent, os.W_OK)
    assert here.object.parent.stat().st_mode & 0o777 == 0o555


@pytest.mark.parametrize("word", ["CHECKPRESENT WORM--x", "nonsense", "VERSION 1", "ERROR go away"])
def test_any_other_message_unlocks_too(place: Callable[..., Place], word: str) -> None:
    here = place()
    client = here.locker("ours")
    client.send(word, f"CHECKPRESENT {KEY}")
    while client.line() != "SUCCESS":
        pass
    assert here.beside() == set()
    assert here.removes("real")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("mode", ["group", "world"])
def test_others_may_use_the_lock_files_of_a_shared_repository(
    place: Callable[..., Place], side: str, mode: str
) -> None:
    here = place(shared=mode)
    here.locker(side)
    expected = 0o660 if mode == "group" else 0o664
    for suffix in (".lck", ".rtl"):
        assert here.object.with_name(KEY + suffix).stat().st_mode & expected == expected
    assert here.object.with_name(KEY + ".rtm").stat().st_mode & 0o444 == 0o444


# annex.pidlock: one lock for all


@pytest.mark.parametrize(("holder", "other"), PAIRS)
def test_one_lock_for_all(place: Callable[..., Place], holder: str, other: str) -> None:
    """Who only reads needs none. (The original does, and waits.)"""
    here = place()
    here.repo.git("config", "annex.pidlock", "true")
    client = here.locker(holder)
    assert (here.repo.annex_dir / "pidlock").exists()
    assert here.beside() == {".lck", ".rtm", ".rtl"}
    assert not here.removes(other)
    assert here.command(other, "inannex", KEY) == 0
    with here.connect("ours") as reader:
        assert reader.get(KEY) == CONTENT
    unlock(client)
    assert not (here.repo.annex_dir / "pidlock").exists()
    assert here.beside() == set()
    assert here.removes(other)
    client.close()


@pytest.mark.parametrize(("holder", "other"), PAIRS)
def test_the_one_lock_ends_with_its_holder(place: Callable[..., Place], holder: str, other: str) -> None:
    """But what it promised lasts."""
    here = place()
    here.repo.git("config", "annex.pidlock", "true")
    here.locker(holder).kill()
    assert (here.repo.annex_dir / "pidlock").exists()
    assert not here.removes(other)
    with here.connect(other) as client:
        assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
    here.expire()
    assert here.removes(other)
    assert not (here.repo.annex_dir / "pidlock").exists()


# Before version 10: the object itself


@pytest.mark.parametrize("version", [8, 9])
@pytest.mark.parametrize("side", SIDES)
def test_old_repositories_have_no_lock_files(place: Callable[..., Place], version: int, side: str) -> None:
    here = place(version)
    client = here.locker(side)
    assert here.beside() == set()
    for path in (here.object, here.repo.annex_dir / "sentinal"):
        assert is_locked_shared(path), path
    unlock(client)
    for path in (here.object, here.repo.annex_dir / "sentinal"):
        assert not is_locked_shared(path), path
    assert here.object.stat().st_mode & 0o777 == 0o444


def is_locked_shared(path: Path) -> bool:
    """Whether somebody holds a record lock on the file that lets others read it."""
    inode = path.stat().st_ino
    return any(
        words[3] == "READ" and words[5].endswith(f":{inode}")
        for words in map(str.split, Path("/proc/locks").read_text().splitlines())
        if words[1] != "->"
    )


@pytest.mark.parametrize("side", SIDES)
def test_an_old_lock_ends_with_its_session(place: Callable[..., Place], side: str) -> None:
    """As far as the other program goes."""
    here = place(9)
    here.locker(side).kill()
    assert here.removes("real" if side == "ours" else "ours")


@pytest.mark.parametrize("version", [8, 9])
def test_what_was_promised_in_an_old_repository_lasts(place: Callable[..., Place], version: int) -> None:
    here = place(version)
    here.locker("ours").kill()
    unlock(here.locker("ours"))
    assert not here.removes("ours")
    assert here.command("ours", "dropkey", "--force", KEY) == 1
    assert here.beside() == set()
    here.claims.write_bytes(b"garbage")
    assert not here.removes("ours")
    here.claims.write_bytes(b"0 0\n")
    assert here.removes("ours")
    assert not here.claims.exists()


def upgrading(repo: Repo) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["git", "annex", "upgrade"], cwd=repo.path, stdout=subprocess.DEVNULL)


def waits_for_a_lock(path: Path) -> bool:
    inode = path.stat().st_ino
    lines = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any(words[1] == "->" and words[6].endswith(f":{inode}") for words in lines)


def test_an_upgrade_waits_for_old_locks(place: Callable[..., Place]) -> None:
    here = place(9)
    client = here.locker("ours")
    with upgrading(here.repo) as upgrade:
        waiting_for(lambda: waits_for_a_lock(here.repo.annex_dir / "sentinal"))
        assert here.repo.git("config", "annex.version") == "9\n"
        unlock(client)
        assert upgrade.wait(20) == 0
    assert here.repo.git("config", "annex.version") == "10\n"


@pytest.mark.parametrize("shared", ["", "group"])
def test_a_session_notices_the_upgrade(place: Callable[..., Place], shared: str) -> None:
    """It began before, and has used the old locks already; what it does afterwards follows the new rules."""
    here = place(9, shared=shared)
    client = here.locker("ours")
    unlock(client)
    with upgrading(here.repo) as upgrade:
        assert upgrade.wait(20) == 0
    assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
    assert here.beside() == {".lck", ".rtm", ".rtl"}
    assert not here.removes("real")
    unlock(client)
    other = here.locker("real")
    assert client.ask(f"REMOVE {KEY}") == "FAILURE"
    unlock(other)
    assert client.ask(f"REMOVE {KEY}") == "SUCCESS"


@pytest.mark.parametrize("side", SIDES)
def test_a_lock_waits_for_an_upgrade(place: Callable[..., Place], side: str) -> None:
    """While the sentinal is locked nobody knows by which rules to lock."""
    here = place(9)
    sentinal = here.repo.annex_dir / "sentinal"
    with sentinal.open("r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        client = here.connect(side)
        client.send(f"LOCKCONTENT {KEY}")
        if side == "real":
            waiting_for(lambda: waits_for_a_lock(sentinal))
        here.repo.git("config", "annex.version", "10")
        assert here.beside() == set()
    assert client.line() == "SUCCESS"
    assert here.beside() == {".lck", ".rtm", ".rtl"}


def test_a_lock_that_fails_in_the_end_is_given_up(place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write to a directory that somebody else owns can't write-protect it again."""
    here = place()
    repository = open_repo(here.repo)

    def refuse(self: Perms, path: bytes) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(Perms, "freeze_directory", refuse)
        with pytest.raises(DiskError, match="Operation not permitted"):
            repository.lock(parse_key(KEY.encode()))
    assert here.beside() == set()
    assert here.removes("real"), "a lock was left that nobody knows of"
    repository.close()


FAILING = [
    (Perms, "freeze_object"),
    (Objects, "holds_content"),
    (Protection, "unlink"),
    (ConfigVersion, "refresh"),
    (Retention, "forget"),
]


@pytest.mark.parametrize("version", [8, 10])
@pytest.mark.parametrize("action", ["lock", "remove"])
@pytest.mark.parametrize("failing", FAILING, ids=lambda pair: pair[1])
def test_no_failure_leaves_a_lock(
    place: Callable[..., Place],
    monkeypatch: pytest.MonkeyPatch,
    version: int,
    action: str,
    failing: tuple[type, str],
) -> None:
    """Whether it fails depends on the version; in either case nothing stays locked."""
    here = place(version)
    repository = open_repo(here.repo)

    def fail(*args: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(*failing, fail)
        try:
            held = getattr(repository, action)(parse_key(KEY.encode()))
            if action == "lock":
                held.release()
        except DiskError:
            pass
    if here.object.exists():
        here.expire()  # what was promised is not the question
        with here.connect("real") as client:
            assert client.ask(f"REMOVE {KEY}") == "SUCCESS", "a lock was left that nobody knows of"
    repository.close()
