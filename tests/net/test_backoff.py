"""What took long to fail is not tried at once again."""

from __future__ import annotations

import pytest

from annexshell.errors import PeerGone
from annexshell.net.backoff import Backoff


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("annexshell.net.backoff.time.monotonic", lambda: self.now)

    def fail_after(self, seconds: float, error: BaseException) -> None:
        self.now += seconds
        raise error


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_pause_as_long_as_the_failure_was_twice(clock: Clock) -> None:
    attempts = Backoff()
    tried = 0
    with pytest.raises(PeerGone, match="gone"), attempts:
        clock.fail_after(10, PeerGone("gone"))
    for later in (0, 19):
        clock.now = 1010.0 + later
        with pytest.raises(PeerGone, match="gone"), attempts:
            tried += 1
    assert tried == 0
    clock.now = 1030.0
    with attempts:
        tried += 1
    with attempts:
        tried += 1
    assert tried == 2


def test_what_fails_at_once_is_tried_at_once(clock: Clock) -> None:
    attempts = Backoff()
    for number in range(3):
        with pytest.raises(PeerGone, match=str(number)), attempts:
            clock.fail_after(0, PeerGone(str(number)))


def test_other_errors_are_no_reason(clock: Clock) -> None:
    attempts = Backoff()
    with pytest.raises(KeyboardInterrupt), attempts:
        clock.fail_after(10, KeyboardInterrupt())
    with attempts:
        pass
