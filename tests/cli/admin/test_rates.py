"""How fast transfers are, as far as it can be known from looking now and then."""

from __future__ import annotations

import pytest

from annexshell.cli.admin.watching.snapshot import Rates
from annexshell.repo.local.running import RunningTransfer


def transfer(done: int | None) -> RunningTransfer:
    return {"transfer": "sending", "key": "k", "peer": "p", "done": done, "file": "", "started": None, "size": None}


def rated(*looks: tuple[float, float, int | None]) -> float | None:
    """The rate after looks: when it was looked, when so much was done, and how much that was."""
    rates = Rates()
    for now, when, done in looks:
        rate = rates.of(transfer(done), b"place", when, now)
    return rate


@pytest.mark.parametrize(
    ("looks", "rate"),
    [
        ([(1, 1, 100)], None),
        ([(1, 1, None)], None),
        ([(1, 1, 100), (3, 3, 300)], 100.0),
        ([(1, 0.5, 100), (3, 2.5, 300)], 100.0),
        ([(1, 1, 100), (3, 1, 100)], None),
        ([(1, 1, 0), (9, 9, 8000), (18, 18, 8090), (27, 27, 8180)], 10.0),  # what was long ago does not count
        ([(1, 1, 0), (101, 100, 990), (150, 100, 990)], 10.0),  # a large one, of which a hundredth takes long
        ([(1, 1, 0), (2, 2, 10), (13, 2, 10)], 0.0),  # it stands still
        ([(1, 1, 900), (2, 2, 100)], None),  # it began anew
        ([(1, 1, 900), (2, 2, 100), (4, 4, 120)], 10.0),
    ],
)
def test_rates(looks: list[tuple[float, float, int | None]], rate: float | None) -> None:
    assert rated(*looks) == rate


def test_what_is_not_seen_any_more_is_forgotten() -> None:
    rates = Rates()
    for now in (1.0, 2.0):
        rate = rates.of(transfer(int(now)), b"place", now, now)
    assert rate == 1.0
    rates.forget(13.0)
    assert rates.of(transfer(2), b"place", 14.0, 14.0) is None
