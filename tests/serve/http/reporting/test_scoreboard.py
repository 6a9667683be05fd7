"""Memory that workers count in: what is in it when there are too many, and when a worker is killed at any moment."""

from __future__ import annotations

import os
import signal

import pytest

from annexshell.serve.http.reporting.counting import ROW_RECEIVED, ROW_UPLOADS, SENT, Counting, Totals, new_scoreboard
from annexshell.serve.http.reporting.scoreboard import MAX_REPOSITORIES, SLOTS, Slot


def taken() -> Slot:
    slot = new_scoreboard().take()
    assert slot is not None
    return slot


def test_what_a_killed_process_has_counted_is_there() -> None:
    board = new_scoreboard()
    slot = board.take()
    assert slot is not None
    pid = os.fork()
    if pid == 0:
        slot.numbers[SENT] += 5.0
        slot.row(b"some-uuid")[ROW_RECEIVED] += 7.0
        slot.row(b"some-uuid")[ROW_UPLOADS] += 1.0
        slot.write_note([{"repository": "some-uuid"}])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert Totals(board).transfers == [{"repository": "some-uuid"}]
    slot.end()
    totals = Totals(board)
    assert totals.number(SENT) == 5
    assert totals.repositories[b"some-uuid"][ROW_RECEIVED] == 7
    assert totals.repositories[b"some-uuid"][ROW_UPLOADS] == 0
    assert totals.transfers == []
    assert totals.workers == 0
    following = board.take()
    assert following is not None
    Counting(following)
    following.numbers[SENT] += 1.0
    assert Totals(board).number(SENT) == 6


def test_more_workers_than_slots() -> None:
    board = new_scoreboard()
    slots = [board.take() for _ in range(SLOTS)]
    assert board.take() is None
    last = slots[-1]
    assert last is not None
    last.end()
    assert board.take() is not None
    assert Totals(board).workers == SLOTS


def test_more_repositories_than_rows() -> None:
    slot = taken()
    for number in range(MAX_REPOSITORIES + 20):
        slot.row(b"uuid-%d" % number)[0] += 1.0
    slot.row(b"x" * 65)[0] += 1.0
    rows = slot.rows()
    assert len(rows) == MAX_REPOSITORIES + 1
    assert rows[b""][0] == 21
    assert rows[b"uuid-7"][0] == 1


def test_another_process_finds_the_rows_of_the_one_before() -> None:
    board = new_scoreboard()
    first = board.take()
    assert first is not None
    first.row(b"a")[0] = 1.0
    first.row(b"b")[0] = 2.0
    first.end()
    second = board.take()
    assert second is not None
    assert second.row(b"b")[0] == 2.0
    assert len(second.rows()) == 3


def test_more_to_show_than_there_is_room_for() -> None:
    slot = taken()
    slot.write_note([{"name": "x" * 1000, "number": number} for number in range(1000)])
    shown = slot.read_note()
    assert 10 < len(shown) < 100
    assert [note["number"] for note in shown] == list(range(len(shown)))


def test_a_note_whose_writer_was_killed() -> None:
    slot = taken()
    slot.write_note([1])
    slot._all[2] += 1.0  # as if it were being written
    assert slot.read_note() == []
    slot.write_note([2])
    assert slot.read_note() == [2]


def test_the_history_of_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annexshell.serve.http.reporting.scoreboard.time.time", lambda: 1_700_000_000.0)
    slot = taken()
    slot.moved(10.0, 20.0)
    slot.moved(1.0, 2.0)
    ((step, moved),) = slot.history().items()
    assert moved == (11.0, 22.0)
    cells = slot._all[slot._shape.history : slot._shape.rows]
    at = next(i for i in range(0, len(cells), 3) if cells[i] == step)
    cells[at] -= 240.0  # an hour before, in the same place
    slot.moved(5.0, 5.0)
    assert (5.0, 5.0) in slot.history().values()
    assert (11.0, 22.0) not in slot.history().values()
