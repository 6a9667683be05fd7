"""Notes of clients that wait for a key that another one is sending."""

from __future__ import annotations

import os
from pathlib import Path

from annexshell.repo.local.parts import Parts
from annexshell.repo.local.takeover import TakeoverNotes, TakeoverRequest

HERE, THERE = (b"uuid", b"WORM--a"), (b"uuid", b"WORM--b")


def test_a_request_stands_until_it_is_withdrawn(parts: Parts) -> None:
    notes = TakeoverNotes(parts)
    request = TakeoverRequest(notes, HERE, b"client")
    assert notes.find(HERE) is None
    request.ask()
    assert (notes.find(HERE), notes.find(THERE)) == (b"client", None)
    request.withdraw()
    assert notes.find(HERE) is None


def test_who_never_waited_takes_nobody_elses_note_away(parts: Parts) -> None:
    notes = TakeoverNotes(parts)
    notes.write(HERE, b"other")
    TakeoverRequest(notes, HERE, b"client").withdraw()
    assert notes.find(HERE) == b"other"


def test_the_notes_of_processes_that_died_count_for_nothing(parts: Parts) -> None:
    notes = TakeoverNotes(parts)
    notes.write(HERE, b"dead")
    notes.write(THERE, b"alive")
    directory = Path(os.fsdecode(parts.paths.annex_dir)) / "annexshell/wanted"
    (dead,) = [path for path in directory.iterdir() if path.read_bytes() == b"dead"]
    os.utime(dead, (1, 1))
    assert notes.find(HERE) is None
    notes.expire()
    assert [path.read_bytes() for path in directory.iterdir()] == [b"alive"]


def test_a_disk_on_which_nothing_can_be_noted_is_no_obstacle(parts: Parts) -> None:
    Path(os.fsdecode(parts.paths.annex_dir), "annexshell").write_text("in the way")
    request = TakeoverRequest(TakeoverNotes(parts), HERE, b"client")
    request.ask()
    request.withdraw()
