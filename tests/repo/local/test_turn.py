"""Waiting for one's turn to store a key."""

from __future__ import annotations

from typing import Any

import pytest

from annexshell.errors import PeerGone, TransferBusy
from annexshell.repo.local.turn import put_in_turn
from annexshell.repo.port import AlreadyHave, Writing


class Waiting:
    """Somebody else stores the key until this has paused so often."""

    def __init__(self, busy: int) -> None:
        self.busy = busy
        self.asked = 0
        self.withdrawn = 0

    def put(self) -> AlreadyHave | Writing:
        if self.busy:
            raise TransferBusy("somebody else stores it")
        return AlreadyHave()

    def pause(self, _seconds: float) -> None:
        self.busy -= 1

    def ask(self) -> None:
        self.asked += 1

    def withdraw(self) -> None:
        self.withdrawn += 1


@pytest.mark.parametrize("busy", [0, 1, 5])
def test_it_is_tried_until_the_other_is_done(busy: int) -> None:
    waiting: Any = Waiting(busy)
    assert isinstance(put_in_turn(waiting.put, waiting.pause, waiting), AlreadyHave)
    assert (waiting.asked, waiting.withdrawn) == (busy, 1)


def test_nobody_waits_for_ever() -> None:
    waiting: Any = Waiting(10**9)
    with pytest.raises(TransferBusy):
        put_in_turn(waiting.put, waiting.pause, waiting, limit=100.0)
    assert (waiting.asked, waiting.withdrawn) == (1000, 1)


def test_a_client_that_is_gone_waits_no_longer() -> None:
    waiting: Any = Waiting(5)

    def pause(_seconds: float) -> None:
        raise PeerGone("it is gone")

    with pytest.raises(PeerGone):
        put_in_turn(waiting.put, pause, waiting)
    assert waiting.withdrawn == 1
