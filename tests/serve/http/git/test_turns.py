"""Who may run a program of git's, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gevent import Greenlet, sleep, spawn

from annexshell.errors import PeerGone, TooBusy
from annexshell.green.tasks import Tasks
from annexshell.serve.http.git import turns as module
from annexshell.serve.http.git.turns import Turn, Turns

sleep(0)  # the hub has file descriptors of its own


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.001)
    monkeypatch.setattr(module, "_MOMENT", 0.0)


def nothing() -> None:
    pass


class Line:
    """Those who wait, and in which order they got their turns."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.got: list[str] = []
        self.given: list[Turn] = []

    def join(self, name: str, address: str, check: Callable[[], None] = nothing) -> Greenlet[[], None]:
        def wait() -> None:
            self.given.append(self.turns.take(address, check))
            self.got.append(name)

        waiting = spawn(wait)
        sleep(0)
        return waiting

    def end_one(self) -> None:
        self.given.pop(0).end()
        count = len(self.given)
        while len(self.given) == count and len(self.got) < 7:
            sleep(0.001)


def test_clients_take_turns() -> None:
    line = Line(Turns(Tasks(), 1))
    line.join("a1", "192.0.2.1").join()
    waiting = [line.join(f"a{number}", "192.0.2.1") for number in range(2, 6)]
    waiting += [line.join("b1", "192.0.2.2"), line.join("b2", "192.0.2.2")]
    assert line.got == ["a1"]
    for _ in range(6):
        line.end_one()
    for each in waiting:
        each.join()
    assert line.got == ["a1", "a2", "b1", "a3", "b2", "a4", "a5"]


def test_a_program_that_waits_for_its_client_keeps_nobody_waiting() -> None:
    turns = Turns(Tasks(), 1)
    slow = turns.take("192.0.2.1", nothing)
    slow.waits_since = 0.0
    turns.take("192.0.2.2", nothing)
    assert not slow.counts


def test_how_many_there_may_be_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ALIVE", 2)
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    turns = Turns(Tasks(), 1)
    given = []
    for _ in range(2):
        given.append(turns.take("", nothing))
        given[-1].waits_since = 0.0
    with pytest.raises(TooBusy):
        turns.take("", nothing)
    given[0].end()
    turns.take("", nothing)


def test_the_queue_ends_somewhere() -> None:
    turns = Turns(Tasks(), 1, queue=4)
    turn = turns.take("", nothing)
    line = Line(turns)
    waiting = [line.join("first", "192.0.2.1")]
    with pytest.raises(TooBusy):
        turns.take("192.0.2.1", nothing)  # a client may have a fourth of it
    waiting += [line.join(f"{number}", f"192.0.2.{number}") for number in (2, 3, 4)]
    with pytest.raises(TooBusy):
        turns.take("192.0.2.5", nothing)
    turn.end()
    while line.given or len(line.got) < 4:
        for given in line.given[:]:
            line.given.remove(given)
            given.end()
        sleep(0.001)
    for each in waiting:
        each.join()


def test_who_is_gone_does_not_wait() -> None:
    turns = Turns(Tasks(), 1)
    turn = turns.take("", nothing)

    def gone() -> None:
        raise PeerGone("the client closed the connection")

    with pytest.raises(PeerGone):
        turns.take("192.0.2.1", gone)
    turn.end()
    turns.take("192.0.2.2", nothing).end()
