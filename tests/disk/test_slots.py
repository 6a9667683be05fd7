"""Counting what other processes are doing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from annexshell.disk.slots import Slots
from tests.conftest import ROOT


@pytest.fixture
def path(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "slots")


def test_nobody_has_taken_one(path: bytes) -> None:
    assert Slots(path).count() == 0
    os.close(Slots(path).take())
    assert Slots(path).count() == 0


def test_everybody_sees_all(path: bytes) -> None:
    ours, theirs = Slots(path), Slots(path)
    taken = [ours.take(), theirs.take(), ours.take()]
    assert (ours.count(), theirs.count()) == (3, 3)
    os.close(taken.pop(1))
    assert theirs.count() == 2, "closing one leaves the others of the same process alone"
    taken.append(theirs.take())
    assert ours.count() == 3
    for fd in taken:
        os.close(fd)
    assert ours.count() == 0


def test_who_creates_the_file_is_told(path: bytes) -> None:
    created: list[bytes] = []
    for _ in range(2):
        os.close(Slots(path, created.append).take())
    assert created == [path]


def test_more_than_there_are(path: bytes) -> None:
    taken = [Slots(path).take() for _ in range(40)]
    assert Slots(path).count() == 32
    for fd in taken:
        os.close(fd)
    assert Slots(path).count() == 0


def test_the_dead_hold_nothing(path: bytes) -> None:
    script = "import sys; from annexshell.disk.slots import Slots; Slots(sys.argv[1].encode()).take(); print()"
    argv = [sys.executable, "-c", script + "; sys.stdout.flush(); sys.stdin.read()", os.fsdecode(path)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        assert Slots(path).count() == 1
        process.kill()
        process.wait()
        assert Slots(path).count() == 0


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    slots = Slots(os.fsencode(tmp_path / "gone" / "slots"))
    assert slots.count() == 0
    with pytest.raises(OSError, match="No such file"):
        slots.take()
