"""Claims and retention, with clocks that are set by hand."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.disk.clock import BILLION
from annexshell.errors import ContentLocked
from annexshell.repo.local.opening import open_parts
from annexshell.store.claims import LONGEST, Claims, ClaimsFiles, parse, serialize
from annexshell.store.retention import Retention, format_deadline, parse_deadline
from tests.repo.places import make_repo
from tests.support.fakeclock import HOUR, YEARS, FakeClock

# The claims


def held(clock: FakeClock, *seconds: int) -> Claims:
    claims = Claims(0, {})
    for number in seconds:
        claims.add(clock.after(number * BILLION))
    return claims


def test_what_is_written_is_read_again() -> None:
    clock = FakeClock()
    claims = held(clock, 1, 300, 600)
    claims.stamp = 12345
    data = serialize(claims)
    assert serialize(parse(data, clock)) == data


def test_names_are_told_apart() -> None:
    clock = FakeClock()
    claims = Claims(0, {})
    wall = clock.wall()
    assert [claims.add(clock.after(0), taken=wall + 1) for _ in range(3)] == [wall, wall + 2, wall + 3]


def test_those_that_are_over_are_dropped() -> None:
    clock = FakeClock()
    data = serialize(held(clock, 1, 300, 600))
    clock.passes(300 * BILLION)
    assert len(parse(data, clock).held) == 1
    clock.passes(300 * BILLION)
    assert parse(data, clock).held == {}


def test_so_many_that_they_are_not_told_apart() -> None:
    """Whoever ends what they can, the content stays locked for as long as without that."""
    clock = FakeClock()
    claims, names = Claims(0, {}), []
    for _ in range(1000):
        names.append(claims.add(clock.after(LONGEST)))
        clock.passes(BILLION // 1000)
        assert len(claims.held) <= 100
    assert len(serialize(claims)) < 1 << 16
    for name in names[500:]:
        claims.held.pop(name, None)
    assert claims.latest() >= names[499]


# Retention by them


class Kept:
    """An object that is retained; each call opens everything anew, as a new process would."""

    def __init__(self, directory: Path, clock: FakeClock) -> None:
        self.parts = open_parts(os.fsencode(make_repo(directory / "repo").path), dict(os.environb), print)
        self.clock = clock
        self.path = os.fsencode(directory / "repo" / ".git" / "annex" / "objects" / "a" / "KEY" / "KEY")
        os.makedirs(os.path.dirname(self.path))

    def retention(self) -> Retention:
        parts = self.parts
        files = ClaimsFiles(parts.annex.layout, parts.annex.locks, parts.annex.perms, parts.annex.durability)
        return Retention(
            parts.annex.locks,
            parts.contents.protection(),
            parts.annex.scratch,
            parts.annex.durability,
            files,
            self.clock,
        )

    def is_retained(self) -> bool:
        try:
            self.retention().refuse(self.path)
        except ContentLocked:
            return True
        return False

    def stamp(self) -> int | None:
        try:
            return parse_deadline(Path(os.fsdecode(self.path + b".rtm")).read_bytes())
        except FileNotFoundError:
            return None

    def set_stamp(self, deadline: int | None) -> None:
        path = Path(os.fsdecode(self.path + b".rtm"))
        if deadline is None:
            path.unlink()
        else:
            path.write_bytes(format_deadline(deadline))

    def left(self) -> list[str]:
        """Every file that retention left."""
        beside = os.listdir(os.path.dirname(self.path))
        return [os.fsdecode(name) for name in (*beside, *os.listdir(self.parts.annex.layout.claims))]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kept(tmp_path: Path, clock: FakeClock) -> Kept:
    return Kept(tmp_path, clock)


@pytest.mark.parametrize("jump", [0, HOUR, -HOUR, YEARS, 1 - YEARS])
def test_a_jump_neither_shortens_nor_prolongs(kept: Kept, clock: FakeClock, jump: int) -> None:
    """The time stamp goes with the clock as soon as somebody of ours looks."""
    name = kept.retention().begin(kept.path)
    clock.time += jump
    kept.retention().settle(kept.path)
    assert kept.stamp() == clock.time + LONGEST
    clock.passes(LONGEST - BILLION)
    assert kept.is_retained()
    clock.passes(BILLION)
    kept.retention().settle(kept.path)
    clock.passes(1)
    assert not kept.is_retained()
    kept.retention().settle(kept.path)
    assert kept.left() == []
    with pytest.raises(FileNotFoundError):
        kept.retention().release(kept.path, name)


@pytest.mark.parametrize("jump", [-HOUR, 1 - YEARS])
def test_a_time_stamp_that_nobody_put_right(kept: Kept, clock: FakeClock, jump: int) -> None:
    kept.retention().begin(kept.path)
    clock.time += jump
    clock.passes(LONGEST - 1)
    assert kept.is_retained()
    clock.passes(1)
    assert not kept.is_retained()


def test_that_of_another_program_goes_by_its_clock(kept: Kept, clock: FakeClock) -> None:
    kept.set_stamp(clock.time + LONGEST)
    clock.time -= HOUR
    clock.passes(LONGEST)
    assert kept.is_retained()
    clock.time += HOUR
    assert kept.is_retained()
    clock.passes(1)
    assert not kept.is_retained()


@pytest.mark.parametrize("downtime", [0, HOUR, -HOUR, 1 - YEARS + HOUR])
def test_a_restart(kept: Kept, clock: FakeClock, downtime: int) -> None:
    kept.retention().begin(kept.path)
    clock.restarts(downtime)
    kept.set_stamp(None)
    assert kept.is_retained()
    kept.retention().restore(kept.path)
    stamp = kept.stamp()
    assert stamp is not None
    assert clock.time < stamp <= clock.time + LONGEST
    clock.passes(LONGEST + BILLION)
    assert not kept.is_retained()


@pytest.mark.parametrize("first", [True, False])
def test_each_ends_their_own(kept: Kept, clock: FakeClock, first: bool) -> None:
    names = []
    for _ in range(2):
        names.append(kept.retention().begin(kept.path))
        clock.passes(BILLION)
    kept.retention().release(kept.path, names[not first])
    kept.retention().settle(kept.path)
    assert kept.stamp() == names[first]
    assert kept.is_retained()
    kept.retention().release(kept.path, names[first])
    kept.retention().settle(kept.path)
    assert kept.left() == []


def test_a_claim_without_a_stamp_has_it_put_back(kept: Kept, clock: FakeClock) -> None:
    retention = kept.retention()
    name = retention.begin(kept.path)
    assert retention.is_settled(kept.path)
    for mend in (retention.restore, retention.settle):
        kept.set_stamp(None)
        assert kept.is_retained()
        assert not retention.is_settled(kept.path)
        mend(kept.path)
        assert kept.stamp() == name
        kept.set_stamp(clock.time + BILLION)  # of a client of git-annex that died, and counts until then
        mend(kept.path)
        assert kept.stamp() == name
    retention.release(kept.path, name)
    retention.settle(kept.path)
    assert kept.stamp() == clock.time + BILLION


def test_a_later_stamp_of_another_program_stays(kept: Kept, clock: FakeClock) -> None:
    kept.set_stamp(clock.time + HOUR)
    name = kept.retention().begin(kept.path)
    assert kept.stamp() == clock.time + HOUR
    kept.retention().release(kept.path, name)
    kept.retention().settle(kept.path)
    assert kept.stamp() == clock.time + HOUR
    assert kept.is_retained()


def test_claims_of_old_versions_whose_clock_was_set_back(kept: Kept, clock: FakeClock) -> None:
    Path(os.fsdecode(kept.path + b".rtl")).write_bytes(b"%020d+\n" % (clock.time + HOUR))
    assert kept.is_retained()
    assert not kept.retention().is_settled(kept.path)
    kept.retention().restore(kept.path)
    clock.passes(LONGEST + BILLION)
    assert not kept.is_retained()


# Death at each point


class Dead(BaseException):
    """What no code of ours catches."""


CALLS = ["open", "pwrite", "ftruncate", "truncate", "write", "rename", "unlink", "fsync"]


def dying_after(number: int, patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Lets so many calls that change something on disk succeed, and no more. Gives how many were tried."""
    done = 0

    def dying(call: Callable[..., object]) -> Callable[..., object]:
        def proxy(*args: object, **options: object) -> object:
            nonlocal done
            done += 1
            if done > number:
                raise Dead
            return call(*args, **options)

        return proxy

    for name in CALLS:
        patch.setattr(os, name, dying(getattr(os, name)))
    return lambda: done


def deaths(step: Callable[[int], int]) -> None:
    """Dies after each number of calls until there are no more of them."""
    for number in range(200):
        if step(number) <= number:
            return
    raise AssertionError("it never ends")


def test_death_while_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim of a client that died before, and the time stamp, are there whatever happens; and it is over in the
    end."""

    def step(number: int) -> int:
        clock = FakeClock()
        kept = Kept(tmp_path / str(number), clock)
        first = kept.retention().begin(kept.path)
        with monkeypatch.context() as patch:
            tried = dying_after(number, patch)
            try:
                kept.retention().begin(kept.path)
            except Dead:
                pass
        assert kept.is_retained()
        assert (kept.stamp() or 0) >= first
        clock.passes(LONGEST + 2)
        kept.retention().refuse(kept.path)
        kept.retention().settle(kept.path)
        assert kept.left() == []
        return tried()

    deaths(step)


@pytest.mark.parametrize("vanished", [False, True])
def test_death_while_it_is_unlocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vanished: bool) -> None:
    def step(number: int) -> int:
        clock = FakeClock()
        kept = Kept(tmp_path / str(number), clock)
        kept.retention().begin(kept.path)
        clock.passes(BILLION)
        name = kept.retention().begin(kept.path)
        if vanished:
            kept.set_stamp(None)
        with monkeypatch.context() as patch:
            tried = dying_after(number, patch)
            try:
                kept.retention().release(kept.path, name)
                kept.retention().settle(kept.path)
            except Dead:
                pass
        assert kept.is_retained(), "the other's is lost"
        kept.retention().settle(kept.path)
        assert kept.stamp() in (name - BILLION, name)
        clock.passes(LONGEST + 2)
        kept.retention().settle(kept.path)
        assert kept.left() == []
        return tried()

    deaths(step)


# What can't be recorded


def fail_at(monkeypatch: pytest.MonkeyPatch, step: str, kept: Kept) -> Retention:
    """What a full or broken disk does to the next claim, at one of its steps."""

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    retention = kept.retention()
    if step == "claims":
        monkeypatch.setattr(os, "pwrite", full)
    elif step == "stamp":
        monkeypatch.setattr(retention, "_write", full)
    elif step == "stamping":
        monkeypatch.setattr(retention, "_stamping", full)
    else:
        monkeypatch.setattr(retention._durability, "file", full)
    return retention


@pytest.mark.parametrize(
    ("step", "version"), [("claims", 10), ("stamp", 10), ("stamping", 10), ("claims", 9), ("flush", 9)]
)
@pytest.mark.parametrize("others", [0, 1])
def test_a_claim_that_cannot_be_recorded_retains_nothing(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, step: str, version: int, others: int
) -> None:
    """The client is refused, and the object can be removed at once, which is what a full disk needs."""

    def begin(retention: Retention) -> int:
        return retention.begin(kept.path) if version == 10 else retention.begin_unstamped(kept.path)

    names = [begin(kept.retention()) for _ in range(others)]
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        begin(fail_at(patch, step, kept))
    assert kept.is_retained() is bool(others)
    for name in names:
        kept.retention().release(kept.path, name)
    kept.retention().settle(kept.path)
    assert not kept.is_retained()
    assert kept.left() == []


@pytest.mark.parametrize("most", [1, 7])
def test_a_claim_that_is_written_piece_by_piece(kept: Kept, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:most], offset))
    name = kept.retention().begin(kept.path)
    kept.retention().release(kept.path, name)
    kept.retention().settle(kept.path)
    assert not kept.is_retained()
