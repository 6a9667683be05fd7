"""Repositories made for clients, and taken away if nothing comes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.repo.initialization.creating import create, remove_if_empty


def make(top: Path, *words: bytes) -> Path:
    top.mkdir()
    return Path(os.fsdecode(create(os.fsencode(top), words, b"alice", None, os.environb, print)))


def test_what_uploads_will_rely_on_is_on_disk_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files before it gets its name, and then the names of all directories on the way to it."""
    flushed: list[str] = []
    flush, rename = os.fsync, os.rename

    def fsync(fd: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{fd}"))
        flush(fd)

    def named(source: bytes, target: bytes) -> None:
        if target.endswith(b"new.git"):
            flushed.append("named")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", named)
    made = make(tmp_path / "srv", b"lab", b"new")
    assert made == tmp_path / "srv" / "lab" / "new.git"
    before, after = flushed[: flushed.index("named")], flushed[flushed.index("named") + 1 :]
    files = {place.rpartition("/")[2] for place in before}
    assert {"config", "HEAD", "refs", "objects"} <= files
    assert after == [str(tmp_path / "srv" / "lab"), str(tmp_path / "srv")]


def test_one_that_stays_empty_is_removed(tmp_path: Path) -> None:
    made = make(tmp_path / "srv", b"new")
    path = os.fsencode(made)
    assert not remove_if_empty(path, os.environb)
    assert made.exists()
    assert remove_if_empty(path, os.environb, age=0)
    assert list((tmp_path / "srv").iterdir()) == []


def test_one_with_content_stays(tmp_path: Path) -> None:
    made = make(tmp_path / "srv", b"new")
    (made / "annex" / "objects" / "abc").mkdir(parents=True)
    (made / "annex" / "objects" / "abc" / "key").write_bytes(b"content")
    assert not remove_if_empty(os.fsencode(made), os.environb, age=0)
    assert made.exists()
