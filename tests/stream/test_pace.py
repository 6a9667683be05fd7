"""How slow another host may be while it sends something long."""

from __future__ import annotations

import pytest

from annexshell.errors import Stalled
from annexshell.stream import pace
from annexshell.stream.pace import PacedWaiter
from annexshell.stream.polling import stalled

PATIENCE = 300.0


class Drip:
    """A peer of whom something comes every so many seconds, on a clock that stands still else."""

    limit = PATIENCE

    def __init__(self, every: float, patience: float = PATIENCE) -> None:
        self.now = 1000.0
        self._every = every
        self._patience = patience

    def monotonic(self) -> float:
        return self.now

    def within(self, seconds: float) -> Drip:
        self._patience = seconds
        return self

    def readable(self, _fd: int) -> None:
        seconds = min(self._every, self.limit, self._patience)
        self.now += seconds
        if seconds < self._every:
            raise stalled(seconds)

    def writable(self, fd: int) -> None:
        self.readable(fd)

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def take_turn(self) -> None:
        pass


def download(monkeypatch: pytest.MonkeyPatch, peer: Drip, piece: int, length: int, spent: float = 0) -> float:
    """The seconds that it takes to have `length` bytes of a peer, in pieces, each of which keeps us busy for a while
    too."""
    monkeypatch.setattr(pace, "time", peer)
    waiter = PacedWaiter(peer, 100.0)
    for count in range(piece, length + piece, piece):
        waiter.readable(0)
        waiter.reached(count)
        waiter.pause(spent)
    return peer.now - 1000


def test_one_byte_now_and_then_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Drip(every=2)
    with pytest.raises(Stalled, match="it sends too slowly"):
        download(monkeypatch, peer, piece=1, length=100_000)
    assert peer.now - 1000 < PATIENCE + 10


def test_silence_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Stalled, match="nothing has moved for 300 seconds"):
        download(monkeypatch, Drip(every=PATIENCE + 1), piece=1, length=10)


@pytest.mark.parametrize(("every", "piece"), [(0.001, 1), (100, 10_000), (299, 30_000)])
def test_who_keeps_to_the_rate_may_take_its_time(monkeypatch: pytest.MonkeyPatch, every: float, piece: int) -> None:
    assert download(monkeypatch, Drip(every), piece, 100 * piece) >= 99 * every


def test_what_we_are_busy_with_is_not_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    assert download(monkeypatch, Drip(every=0.1), piece=100, length=10_000, spent=1000) > 90_000
