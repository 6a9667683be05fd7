"""Deadlines: however clocks jump, they are over when their time has passed, and not before."""

from __future__ import annotations

import pytest

from annexshell.disk.clock import BILLION, Clock, Deadline
from tests.support.fakeclock import HOUR, YEARS, FakeClock

LONGEST = 600 * BILLION


def test_the_clocks_of_this_machine() -> None:
    clock = Clock()
    deadline = clock.after(LONGEST)
    assert 0 < clock.remaining(deadline, LONGEST) <= LONGEST
    assert Clock().boot_id == clock.boot_id
    assert clock.remaining(clock.after(0), LONGEST) == 0


@pytest.mark.parametrize("jump", [0, HOUR, -HOUR, YEARS, 1 - YEARS])
def test_a_wall_clock_that_is_set_changes_nothing(jump: int) -> None:
    clock = FakeClock()
    deadline = clock.after(LONGEST)
    clock.time += jump
    assert clock.remaining(deadline, LONGEST) == LONGEST
    clock.passes(LONGEST - 1)
    assert clock.remaining(deadline, LONGEST) == 1
    clock.passes(1)
    assert clock.remaining(deadline, LONGEST) == 0


@pytest.mark.parametrize("jump", [HOUR, -HOUR, YEARS, 1 - YEARS])
def test_what_the_wall_clock_says_follows(jump: int) -> None:
    clock = FakeClock()
    deadline = clock.after(LONGEST)
    clock.time += jump
    renewed = clock.renewed(deadline, LONGEST)
    assert (renewed.wall, renewed.boot) == (clock.time + LONGEST, deadline.boot)


def test_a_clock_that_is_adjusted_has_nothing_written_anew() -> None:
    clock = FakeClock()
    deadline = clock.after(LONGEST)
    clock.passes(LONGEST // 2)
    clock.time += BILLION // 2
    renewed = clock.renewed(deadline, LONGEST)
    assert (renewed.wall, renewed.boot, renewed.boot_id) == (deadline.wall, deadline.boot, deadline.boot_id)


@pytest.mark.parametrize("jump", [0, HOUR, YEARS])
def test_after_a_restart_nothing_is_over_too_early(jump: int) -> None:
    """Nobody knows how long the machine was off, if the clock may have been set."""
    clock = FakeClock()
    deadline = clock.after(LONGEST)
    clock.passes(LONGEST // 2)
    clock.restarts(0)
    clock.time += jump
    assert clock.remaining(deadline, LONGEST) >= LONGEST // 2
    clock.passes(LONGEST)
    assert clock.remaining(deadline, LONGEST) == 0


@pytest.mark.parametrize("jump", [0, -HOUR, 1 - YEARS])
def test_after_a_restart_nothing_lasts_for_ever(jump: int) -> None:
    clock = FakeClock()
    deadline = clock.after(LONGEST)
    clock.restarts(HOUR)
    clock.time += jump
    renewed = clock.renewed(deadline, LONGEST)
    clock.time = 1  # it is set back again and again
    assert 0 < clock.remaining(renewed, LONGEST) <= LONGEST
    clock.passes(LONGEST)
    assert clock.remaining(renewed, LONGEST) == 0


def test_another_machine_goes_by_the_wall_clock() -> None:
    """It has been running for longer than the lock exists."""
    ours, theirs = FakeClock(), FakeClock(b"another", now=YEARS)
    deadline = ours.after(LONGEST)
    theirs.passes(LONGEST // 2)
    assert theirs.remaining(deadline, LONGEST) == LONGEST // 2
    theirs.passes(LONGEST // 2)
    assert theirs.remaining(deadline, LONGEST) == 0


@pytest.mark.parametrize("boot_id", [b"first", b"another"])
def test_one_that_is_too_far_away_is_not_believed(boot_id: bytes) -> None:
    clock = FakeClock()
    deadline = Deadline(2 * YEARS, YEARS, boot_id)
    assert clock.remaining(deadline, LONGEST) == LONGEST
    assert clock.renewed(deadline, LONGEST).boot == clock.now + LONGEST


def test_a_boot_without_an_id_is_like_no_other() -> None:
    clock = FakeClock(b"-")
    deadline = clock.after(LONGEST)
    clock.time += HOUR
    assert clock.remaining(deadline, LONGEST) == 0
