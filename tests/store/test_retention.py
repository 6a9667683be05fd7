"""Retention: the time stamp that keeps content locked when a client's connection is lost. Side by side with the real
git-annex-shell, which has to read what we write and the other way round."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path

import pytest

from annexshell.model.key import parse_key
from annexshell.store.retention import format_deadline, parse_deadline
from tests.conftest import CLIENT_UUID
from tests.repo.locking import CONTENT, KEY, SIDES, Place, places, unlock
from tests.repo.places import open_repo
from tests.support.client import Client, sha256_key
from tests.support.faulty import faulty_shell

BILLION = 10**9
FAR = 99_999_999_999  # seconds: in over 3000 years

# Texts of a time stamp, and what the real git-annex takes them for.
NUMBERS = [b"%d" % FAR, b"000%d" % FAR, b"+%d" % FAR, b"9" * 19, b"9" * 30]
PROTECTING = ["", "s", ".5", ".5s", ".123456789s", ".123456789012345s", ".000000000000000000000s"]
VOID = [
    b"",
    b"s",
    b"%ds\n" % FAR,
    b"%d\n" % FAR,
    b" %ds" % FAR,
    b"%ds " % FAR,
    b"%d s" % FAR,
    b"%dss" % FAR,
    b"%d." % FAR,
    b"%d.s" % FAR,
    b"%d.5.5s" % FAR,
    b"%d,5s" % FAR,
    b"-%ds" % FAR,
    b"%d.-5s" % FAR,
    b".5s",
    b"0x%xs" % FAR,
    b"1e11s",
    b"1_000_000_000_000s",
    b"infs",
    b"nan",
    b"%ds\r" % FAR,
    b"%ds\0" % FAR,
    "\u0661\u0662s".encode(),
    b"\xff",
    b"x" * 100_000,
]


@pytest.fixture
def place(shell: Path, programs: Path, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """place() is a repository."""
    yield from places(shell, programs, tmp_path)


@pytest.mark.parametrize("suffix", PROTECTING)
@pytest.mark.parametrize("number", NUMBERS)
def test_texts_that_protect(number: bytes, suffix: str) -> None:
    deadline = parse_deadline(number + suffix.encode())
    assert deadline is not None
    assert deadline >= FAR * BILLION


@pytest.mark.parametrize("text", VOID)
def test_texts_that_do_not(text: bytes) -> None:
    assert parse_deadline(text) is None


@pytest.mark.parametrize("side", SIDES)
def test_both_take_them_for_the_same(place: Callable[..., Place], side: str) -> None:
    """One dropkey for many contents: what is left of them was protected."""
    here = place()
    good = [number + suffix.encode() for number in NUMBERS for suffix in PROTECTING]
    texts = dict(enumerate([*good, *VOID]))
    keys = {number: sha256_key(b"content %d" % number) for number in texts}
    with here.connect("ours") as client:
        for number, key in keys.items():
            assert client.put(key, b"content %d" % number) == "SUCCESS"
        client.close()
    found = {path.name: path for path in here.repo.annex_dir.glob("objects/*/*/*/SHA256-*")}
    for number, text in texts.items():
        path = found[keys[number]]
        path.parent.chmod(0o755)
        path.with_name(path.name + ".rtm").write_bytes(text)
    assert here.command(side, "dropkey", "--force", *keys.values()) == 1
    protected = {text for number, text in texts.items() if found[keys[number]].exists()}
    assert protected == set(good)
    if side == "ours":
        rest = {text for number, text in texts.items() if found[keys[number]].parent.exists()}
        assert rest == set(good), "a void time stamp was left behind"


@pytest.mark.parametrize("deadline", [0, 1, BILLION - 1, BILLION, 1795165017_363553832, 1795165017_000000010])
def test_what_is_written_can_be_read(deadline: int) -> None:
    text = format_deadline(deadline)
    assert b"\n" not in text
    assert parse_deadline(text) == deadline


# Its life


@pytest.mark.parametrize("side", SIDES)
def test_death_leaves_it_in_force(place: Callable[..., Place], side: str) -> None:
    here = place()
    here.locker(side).kill()
    assert here.beside() == {".lck", ".rtm", ".rtl"}
    for other in SIDES:
        assert not here.removes(other)
        assert here.command(other, "dropkey", "--force", KEY) == 1
        assert here.command(other, "inannex", KEY) == 0
    assert here.beside() == {".lck", ".rtm", ".rtl"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_so_do_signals(place: Callable[..., Place], number: int) -> None:
    here = place()
    client = here.locker("ours")
    client.process.send_signal(number)
    assert client.close()[0] == 1
    assert not here.removes("real")


def test_so_does_a_connection_that_just_ends(place: Callable[..., Place]) -> None:
    """The client may not know yet that its connection is lost. (The original takes the end for an unlock.)"""
    here = place()
    client = here.locker("ours")
    client.close()
    assert here.beside() == {".lck", ".rtm", ".rtl"}
    assert not here.removes("real")
    assert not here.removes("ours")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("remover", SIDES)
def test_once_it_is_over_it_is_tidied_up(place: Callable[..., Place], side: str, remover: str) -> None:
    here = place()
    here.locker(side).kill()
    here.expire(b"%ds" % (time.time() - 1))
    assert here.removes(remover)
    assert not here.object.parent.exists()
    assert not here.claims.exists() or (side, remover) == ("ours", "real")


def test_a_removal_that_is_refused_then_tidies_up_too(place: Callable[..., Place]) -> None:
    here = place()
    here.retain(b"%ds" % (time.time() - 1))
    here.object.with_name(KEY + ".rtl").touch()
    with here.connect("ours") as client:
        assert client.ask("GETTIMESTAMP").startswith("TIMESTAMP ")
        assert client.ask(f"REMOVE-BEFORE 1 {KEY}") == "FAILURE"
        client.close()
    assert here.object.exists()
    assert here.beside() == set()


@pytest.mark.parametrize("side", SIDES)
def test_an_expired_one_does_not_hinder_a_lock(place: Callable[..., Place], side: str) -> None:
    here = place()
    here.retain(b"%ds" % (time.time() - 1))
    client = here.locker(side)
    assert here.deadline() > time.time() + 500
    unlock(client)
    assert here.beside() == set()


@pytest.mark.parametrize("side", SIDES)
def test_the_later_deadline_wins(place: Callable[..., Place], side: str) -> None:
    here = place()
    here.retain(b"%d.5s" % FAR)
    client = here.locker(side)
    assert here.deadline() == FAR + 0.5
    unlock(client)
    assert here.deadline() == FAR + 0.5, "somebody else's retention was ended"
    assert not here.removes("ours")
    assert not here.removes("real")


@pytest.mark.parametrize("side", SIDES)
def test_an_earlier_one_is_extended(place: Callable[..., Place], side: str) -> None:
    here = place()
    soon = int(time.time()) + 100
    here.retain(b"%ds" % soon)
    client = here.locker(side)
    assert here.deadline() > soon + 400
    client.kill()
    assert here.deadline() > soon + 400


@pytest.mark.parametrize("second", SIDES)
def test_the_first_leaves_first(place: Callable[..., Place], second: str) -> None:
    here = place()
    early = here.locker("ours")
    its = here.deadline()
    late = here.locker(second)
    assert here.deadline() > its
    unlock(early)
    assert here.beside() == {".lck", ".rtm", ".rtl"}
    assert here.deadline() > its
    unlock(late)
    assert here.beside() == set()
    assert here.removes("ours")


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_whoever_leaves_last_tidies_up(place: Callable[..., Place], order: tuple[int, ...]) -> None:
    here = place()
    clients = [here.locker("ours") for _ in order]
    for number in order:
        assert not here.removes("ours")
        unlock(clients[number])
    assert here.beside() == set()


@pytest.mark.parametrize("dead", range(3))
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_those_who_unlock_leave_the_claim_of_the_dead(
    place: Callable[..., Place], dead: int, order: tuple[int, int]
) -> None:
    here = place()
    clients = [here.locker("ours")]
    deadlines = [here.deadline()]
    while len(clients) < 3:
        clients.append(here.locker("ours"))
        deadlines.append(here.deadline())
    clients.pop(dead).kill()
    for number in order:
        unlock(clients[number])
    assert here.deadline() == deadlines[dead]
    assert not here.removes("ours")
    assert not here.removes("real")


@pytest.mark.parametrize("side", SIDES)
def test_locks_that_come_and_go_leave_the_claim_of_the_dead(place: Callable[..., Place], side: str) -> None:
    here = place()
    here.locker(side).kill()
    deadline = here.deadline()
    for _ in range(3):
        unlock(here.locker("ours"))
        assert here.deadline() == pytest.approx(deadline, abs=1e-8)
    assert not here.removes("ours")
    assert not here.removes("real")
    here.expire()
    assert here.removes("ours")


def test_claims_take_no_more_room_than_there_are_locks(place: Callable[..., Place]) -> None:
    here = place()
    here.locker("ours").kill()
    for _ in range(20):
        unlock(here.locker("ours"))
    assert here.claims.read_bytes().count(b"\n") == 2


DAMAGE = [
    b"",
    b"garbage",
    b"\0" * 100,
    b"9" * 100,
    b"0 1\n",
    b"0 0",
    b"-1 0\n",
    b"0 1\n1 2 3 4 5\n",
    b"x" * (1 << 17),
]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_claims_that_are_damaged_protect(place: Callable[..., Place], damage: bytes) -> None:
    """All that is known is that there were some. Without a time stamp, too; but not for ever."""
    here = place()
    here.locker("ours").kill()
    here.claims.write_bytes(damage)
    here.object.parent.chmod(0o755)
    here.object.with_name(KEY + ".rtm").unlink()
    assert not here.removes("ours")
    assert not here.removes("real"), "the time stamp is not back"
    assert here.deadline() == pytest.approx(time.time() + 600, abs=60)
    assert here.claims.read_bytes().count(b"\n") == 2
    deadline = here.deadline()
    assert not here.removes("ours")
    assert here.deadline() == deadline, "it is put off by those who ask"


def test_claims_that_are_cut_off_protect(place: Callable[..., Place]) -> None:
    here = place()
    here.locker("ours").kill()
    here.locker("ours").kill()
    whole = here.claims.read_bytes()
    here.object.parent.chmod(0o755)
    for length in range(0, len(whole), 7):
        here.claims.write_bytes(whole[:length])
        here.object.with_name(KEY + ".rtm").unlink()
        assert here.command("ours", "dropkey", "--force", KEY) == 1, length
        here.object.parent.chmod(0o755)


@pytest.mark.parametrize("claims", DAMAGE[1:3])
def test_a_file_of_claims_that_is_damaged_hinders_no_lock(place: Callable[..., Place], claims: bytes) -> None:
    here = place()
    first = here.locker("ours")
    here.claims.write_bytes(claims)
    second = here.locker("ours")
    first.kill()
    unlock(second)
    assert not here.removes("ours"), "the time stamp was the first one's"


# Beside the original, whose clients delete the time stamp when they unlock


def original_passes(here: Place) -> None:
    """A client of the original locks and unlocks, with the later deadline."""
    client = here.locker("real")
    client.send("UNLOCKCONTENT")
    client.close()


def test_the_original_ends_no_claim(place: Callable[..., Place]) -> None:
    here = place()
    here.locker("ours").kill()
    deadline = here.deadline()
    original_passes(here)
    assert here.beside() == set(), "the original has changed: it leaves what is not its own"
    for _ in range(2):
        assert not here.removes("ours")
        assert here.deadline() == deadline, "the time stamp is not back"
        assert not here.removes("real")
        assert here.command("ours", "dropkey", "--force", KEY) == 1
    original_passes(here)
    unlock(here.locker("ours"))
    assert here.deadline() == deadline, "who unlocks does not put it back"
    original_passes(here)
    client = here.locker("ours")
    assert here.deadline() > deadline
    client.kill()
    here.expire()
    assert here.removes("ours")


def test_the_lock_of_a_session_keeps_the_original_from_it(place: Callable[..., Place]) -> None:
    here = place()
    client = here.locker("ours")
    original_passes(here)
    assert here.beside() == {".lck", ".rtm", ".rtl"}
    assert not here.removes("real")
    assert not here.removes("ours")
    unlock(client)


# Claims as versions before noted them, beside the object


@pytest.mark.parametrize("stamp", [True, False])
def test_claims_of_old_versions_are_honoured(place: Callable[..., Place], stamp: bool) -> None:
    here = place()
    held = time.time_ns() + 300 * BILLION
    slots = b"%020d+\n%020d-\n%020d+\n" % (held, held + 200 * BILLION, held - 400 * BILLION)
    here.object.parent.chmod(0o755)
    here.object.with_name(KEY + ".rtl").write_bytes(slots)
    if stamp:
        here.retain(format_deadline(held + 200 * BILLION))
    assert not here.removes("ours")
    unlock(here.locker("ours"))
    assert here.deadline() == pytest.approx(held / BILLION, abs=1e-3), "that of the one that was unlocked counts"
    assert here.object.with_name(KEY + ".rtl").read_bytes() == b""
    assert not here.removes("ours")
    assert not here.removes("real")
    repository = open_repo(here.repo)
    repository.unlock(parse_key(KEY.encode()), held)
    repository.close()
    assert here.beside() == set()
    assert here.removes("ours")


@pytest.mark.parametrize(("first", "second"), [("ours", "real"), ("real", "ours"), ("ours", "ours")])
def test_the_second_dies(place: Callable[..., Place], first: str, second: str) -> None:
    """The first must not end the retention of the other when it leaves."""
    here = place()
    early, late = here.locker(first), here.locker(second)
    deadline = here.deadline()
    late.kill()
    unlock(early)
    assert here.deadline() == deadline
    assert not here.removes("ours")
    assert not here.removes("real")


def test_one_session_locks_again(place: Callable[..., Place]) -> None:
    here = place()
    client = here.connect("ours")
    for _ in range(3):
        assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
        assert here.beside() == {".lck", ".rtm", ".rtl"}
        unlock(client)
        assert here.beside() == set()


def test_it_is_on_disk_before_the_client_knows(place: Callable[..., Place], shell: Path, tmp_path: Path) -> None:
    """Whatever the client reads must be true even if the machine stops at that moment."""
    here = place()
    trace = tmp_path / "trace"
    env = {"FAULT": "NONE:0", "FAULT_TRACE": str(trace)}
    argv = (faulty_shell(shell, tmp_path), "p2pstdio", str(here.repo.path), CLIENT_UUID)
    with Client(*argv, env=env) as client:
        assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
        calls = [line.split()[1:] for line in trace.read_text().splitlines()]
        client.close()
    names = [name for name, *_ in calls]
    renamed = next(n for n, (name, *args) in enumerate(calls) if name == "rename" and ".rtm" in " ".join(args))
    assert "fsync" in names[:renamed], "the time stamp is not flushed"
    assert "fsync" in names[renamed:], "its directory is not flushed"


def test_nothing_is_left_in_the_scratch_space(place: Callable[..., Place]) -> None:
    here = place()
    here.locker("ours").kill()
    assert os.listdir(here.repo.annex_dir / "othertmp") == []
    assert here.object.read_bytes() == CONTENT
