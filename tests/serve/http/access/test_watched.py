"""Files that change while a server runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.errors import BadUsage
from annexshell.serve.http.access import watched
from annexshell.serve.http.access.watched import Watched


def parse(data: bytes) -> bytes:
    if b"bad" in data:
        raise BadUsage("line 1: it is bad")
    return data.upper()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "_PAUSE", 0.0)


def test_it_keeps_up_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    warnings: list[str] = []
    file = Watched(str(path), parse, warnings.append)
    assert file.current() == b"ONE"
    path.write_bytes(b"other")
    assert file.current() == b"OTHER"
    (tmp_path / "new").write_bytes(b"third")  # as long as before
    os.replace(tmp_path / "new", path)
    assert file.current() == b"THIRD"
    assert warnings == []


def test_what_it_said_counts_while_it_makes_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    warnings: list[str] = []
    file = Watched(str(path), parse, warnings.append)
    path.write_bytes(b"bad")
    assert file.current() == file.current() == b"ONE"
    assert warnings == [f"{path}: line 1: it is bad; what it said before still counts"]
    path.unlink()
    assert file.current() == file.current() == b"ONE"
    assert len(warnings) == 2
    assert "can't be read: No such file or directory; what" in warnings[1]
    path.write_bytes(b"two")
    assert file.current() == b"TWO"


def test_it_has_to_make_sense_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    with pytest.raises(BadUsage, match="can't be read: No such file"):
        Watched(str(path), parse, print)
    path.write_bytes(b"bad")
    with pytest.raises(BadUsage, match=f"{path}: line 1: it is bad"):
        Watched(str(path), parse, print)
    monkeypatch.setattr(watched, "_LARGEST", 2)
    with pytest.raises(BadUsage, match="too large"):
        Watched(str(path), parse, print)


def test_it_is_not_looked_at_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    file = Watched(str(path), parse, print)
    monkeypatch.setattr(watched, "_PAUSE", 1000.0)
    path.write_bytes(b"other")
    assert file.current() == b"ONE"
