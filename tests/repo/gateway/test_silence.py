"""Nodes that kept others waiting are left alone for a while, which all processes of the gateway know."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from annexshell.disk.perms import Perms
from annexshell.repo.gateway.silence import Silence

NODE, OTHER = b"11111111-1111-4111-8111-111111111111", b"../../etc"


def silence_in(directory: Path) -> Silence:
    return Silence(os.fsencode(directory), Perms(None, False, True))


@pytest.fixture
def silence(tmp_path: Path) -> Silence:
    return silence_in(tmp_path)


def age(directory: Path, seconds: float) -> None:
    (note,) = (directory / "annexshell").iterdir()
    os.utime(note, (0, time.time() - seconds))


def test_others_know_of_it(tmp_path: Path, silence: Silence) -> None:
    assert not silence.is_noted(NODE)
    assert not silence.lasts(NODE)
    silence.note(NODE, 30)
    other = silence_in(tmp_path)
    assert other.is_noted(NODE)
    assert other.lasts(NODE)
    assert not other.lasts(OTHER)
    other.forget(NODE)
    other.forget(NODE)
    assert not silence.is_noted(NODE)
    assert not silence.lasts(NODE)


def test_it_lasts_longer_each_time(tmp_path: Path, silence: Silence) -> None:
    for lasts in (60, 120, 240, 480, 960, 1800, 1800):
        silence.note(NODE, 30)
        age(tmp_path, lasts - 5)
        assert silence.lasts(NODE)
        age(tmp_path, lasts + 5)
        assert not silence.lasts(NODE)
    age(tmp_path, -1000)
    assert not silence.lasts(NODE), "the clock was set back"


@pytest.mark.parametrize("text", [b"", b"nonsense", b"nan", b"-5", b"1e400"])
def test_what_the_note_says_is_bounded(text: bytes, tmp_path: Path, silence: Silence) -> None:
    silence.note(NODE, 30)
    (note,) = (tmp_path / "annexshell").iterdir()
    note.write_bytes(text)
    age(tmp_path, 1801)
    assert not silence.lasts(NODE)
    silence.note(NODE, 30)
    assert silence.lasts(NODE)


def test_nothing_can_be_noted(tmp_path: Path) -> None:
    (tmp_path / "annexshell").touch()
    silence = silence_in(tmp_path)
    silence.note(NODE, 30)
    silence.forget(NODE)
    assert not silence.lasts(NODE)
