"""Waiting for others with a limit: for each thing that comes, or for all of it together."""

from __future__ import annotations

import os
from collections.abc import Iterator

import gevent
import pytest

from annexshell.errors import Interrupted, Stalled
from annexshell.green.waiter import GeventWaiter
from annexshell.stream.blocking import Interrupts
from annexshell.stream.polling import PollWaiter

gevent.sleep(0)  # the hub has file descriptors of its own

Kind = type[PollWaiter] | type[GeventWaiter]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


@pytest.mark.parametrize("kind", [PollWaiter, GeventWaiter])
class TestWaiters:
    def test_who_is_silent_is_given_up(self, kind: Kind, pipe: tuple[int, int]) -> None:
        for limit, in_all in ((0.1, 1000), (1000, 0.1)):
            with pytest.raises(Stalled, match=r"^nothing has moved for 0\.1 seconds$"):
                kind(limit).within(in_all).readable(pipe[0])
        with pytest.raises(Stalled, match=r"^nothing has moved for 0\.1 seconds$"):
            kind(0.1).readable(pipe[0])

    def test_who_sends_a_little_now_and_then_is_given_up(self, kind: Kind, pipe: tuple[int, int]) -> None:
        waiter = kind(1000).within(0.1)
        with pytest.raises(Stalled):
            waiter.readable(pipe[0])
        os.write(pipe[1], b"x")
        os.read(pipe[0], 1)
        with pytest.raises(Stalled, match=r"^it has not answered in time$"):
            waiter.readable(pipe[0])
        kind(1000).within(1000).writable(pipe[1])


def test_a_signal_ends_waiting_for_others(pipe: tuple[int, int]) -> None:
    interrupts = Interrupts()
    interrupts.note()
    for waiter in (PollWaiter(1000, interrupts), PollWaiter(1000, interrupts).within(1000)):
        with pytest.raises(Interrupted):
            waiter.readable(pipe[0])
    assert not interrupts.waiting
