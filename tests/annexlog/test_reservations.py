"""Uploads that count each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.annexlog.reservations import Reservations
from annexshell.disk.perms import Perms

A, B = b"a" * 36, b"b" * 36


def reservations(path: Path) -> Reservations:
    return Reservations(os.fsencode(path), Perms(None, False, False))


def test_what_is_reserved_counts_until_it_is_released(tmp_path: Path) -> None:
    mine, others = reservations(tmp_path), reservations(tmp_path)
    assert mine.sums() == {}
    choice, first = mine.reserve(10, lambda: "both", lambda _: [A, B])
    assert choice == "both"
    seen, second = others.reserve(5, others.sums, lambda _: [A])
    assert seen == {A: 10, B: 10}
    assert mine.sums() == {A: 15, B: 10}
    first.release()
    first.release()
    assert mine.sums() == {A: 5}
    second.release()
    assert mine.sums() == {}
    assert os.listdir(tmp_path / "annexshell" / "uploads") == []


def test_the_dead_reserve_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        reservations(tmp_path).reserve(10, lambda: None, lambda _: [A])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    ours = reservations(tmp_path)
    assert len(os.listdir(tmp_path / "annexshell" / "uploads")) == 1
    assert ours.sums() == {}
    ours.reserve(1, lambda: None, lambda _: [])[1].release()
    assert os.listdir(tmp_path / "annexshell" / "uploads") == []


def test_what_cannot_be_written_or_removed_ends_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = reservations(tmp_path)

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", fail)
        choice, reservation = ours.reserve(10, lambda: 7, lambda _: [A])
        assert choice == 7
        reservation.release()
    _, reservation = ours.reserve(10, lambda: 7, lambda _: [A])
    with monkeypatch.context() as broken:
        broken.setattr(os, "unlink", fail)
        reservation.release()
    assert ours.sums() == {}


def test_without_a_place_to_reserve_in(tmp_path: Path) -> None:
    (tmp_path / "annexshell").write_text("in the way")
    ours = reservations(tmp_path)
    choice, reservation = ours.reserve(10, lambda: 7, lambda _: [A])
    assert choice == 7
    assert ours.sums() == {}
    reservation.release()


def test_what_others_left_in_the_way(tmp_path: Path) -> None:
    """Directories and garbage count for nothing, and keep nobody from reserving."""
    uploads = tmp_path / "annexshell" / "uploads"
    (uploads / "a directory").mkdir(parents=True)
    (uploads / "garbage").write_bytes(b"\xff many\n" + A)
    ours = reservations(tmp_path)
    _, reservation = ours.reserve(10, lambda: 7, lambda _: [A])
    assert ours.sums() == {A: 10}
    reservation.release()
    assert ours.sums() == {}


def test_without_a_lock_to_choose_under(tmp_path: Path) -> None:
    (tmp_path / "annexshell" / "uploads.lck").mkdir(parents=True)
    ours = reservations(tmp_path)
    assert ours.reserve(10, lambda: 7, lambda _: [A])[0] == 7
