"""What is flushed to disk, by git's settings."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.disk.durable import Durability, is_durable
from annexshell.errors import DiskError, DiskFull

MIB = 1 << 20


@pytest.mark.parametrize(
    ("setting", "durable"),
    [
        (None, True),
        (b"", True),
        (b"default", True),
        (b"none", False),
        (b"all", True),
        (b"committed", True),
        (b"added", True),
        (b"objects", True),
        (b"loose-object", True),
        # Components that have nothing to do with objects leave our default as it is.
        (b"reference", True),
        (b"-reference", True),
        (b"index,pack", True),
        (b"derived-metadata,-pack", True),
        (b"-loose-object", False),
        (b"-objects", False),
        (b"-committed", False),
        (b"-all", False),
        # What is named wins over what is taken away, in any order.
        (b"all,-loose-object", True),
        (b"-all,loose-object", True),
        (b"none,loose-object", True),
        (b"none,reference", False),
        (b"reference,none", False),
        (b"committed,-loose-object", True),
        # Separators
        (b"  -loose-object\t", False),
        (b"reference, -loose-object,index", False),
        (b"reference\n-objects", False),
        # Unknown words are ignored.
        (b"loose-objects", True),
        (b"-", True),
        (b"--loose-object", True),
        (b"NONE", True),
    ],
)
def test_settings(setting: bytes | None, durable: bool) -> None:
    assert is_durable(setting) == durable


class Calls:
    """Counts what is flushed, and fails if told so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, object]] = []
        self.error = 0
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, lambda fd, name=name: self._call(name, os.readlink(f"/proc/self/fd/{fd}")))
        monkeypatch.setattr(os, "posix_fadvise", lambda fd, start, length, _: self._call("advise", (start, length)))

    def _call(self, name: str, what: object) -> None:
        self.made.append((name, what))
        if self.error:
            raise OSError(self.error, os.strerror(self.error))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def flush(durability: Durability, path: Path) -> None:
    with path.open("wb") as file:
        durability.file(file.fileno())


@pytest.mark.parametrize(
    ("method", "call"),
    [(None, "fsync"), (b"fsync", "fsync"), (b"batch", "fsync"), (b"writeout-only", "fdatasync"), (b"odd", "fsync")],
)
def test_methods(calls: Calls, tmp_path: Path, method: bytes | None, call: str) -> None:
    durability = Durability(True, method)
    flush(durability, tmp_path / "file")
    durability.directories([os.fsencode(tmp_path)])
    expected = [(call, str(tmp_path / "file")), ("fsync", str(tmp_path))]
    assert calls.made == (expected if call == "fsync" else expected[:1])


def test_nothing_is_flushed_where_the_owner_chose_so(calls: Calls, tmp_path: Path) -> None:
    durability = Durability(False)
    flush(durability, tmp_path / "file")
    durability.directories([os.fsencode(tmp_path), b"/nowhere"])
    durability.begin(-1, 32 * MIB)
    assert calls.made == []


def test_directories_are_flushed_once_each(calls: Calls, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    a, top = os.fsencode(tmp_path / "a"), os.fsencode(tmp_path)
    Durability(True).directories(iter([a, top, a, top + b"/gone", top]))
    assert calls.made == [("fsync", os.fsdecode(a)), ("fsync", os.fsdecode(top))]


def test_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="Not a directory while flushing a directory to disk"):
        Durability(True).directories([os.fsencode(tmp_path / "file")])


@pytest.mark.parametrize(
    ("error", "kind"), [(errno.EIO, DiskError), (errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull)]
)
def test_a_failure_is_never_silent(calls: Calls, tmp_path: Path, error: int, kind: type[DiskError]) -> None:
    calls.error = error
    with pytest.raises(kind, match="while flushing to disk"):
        flush(Durability(True), tmp_path / "file")
    with pytest.raises(kind, match="while flushing a directory to disk"):
        Durability(True).directories([os.fsencode(tmp_path)])


@given(st.integers(0, 200 * MIB), st.lists(st.integers(1, MIB), min_size=1, max_size=400))
def test_a_growing_file_is_written_out_meanwhile(start: int, pieces: list[int]) -> None:
    """However it grows, by up to a MiB at a time, and wherever a resumed upload began: whenever another 32 MiB are
    there, they are handed to the disk."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        calls = Calls(monkeypatch)
        size = start
        for piece in pieces:
            before, size = size, size + piece
            calls.made = []
            Durability(True).begin(9, size)
            if before // (32 * MIB) != size // (32 * MIB):
                assert calls.made == [("advise", (size - 32 * MIB, 32 * MIB))]
            elif size % (32 * MIB) >= MIB:
                assert calls.made == []


def test_it_works_on_a_real_file(tmp_path: Path) -> None:
    for method in (None, b"writeout-only"):
        with (tmp_path / "file").open("wb") as file:
            durability = Durability(True, method)
            file.truncate(32 * MIB)
            durability.begin(file.fileno(), 32 * MIB)
            durability.file(file.fileno())
            durability.directories([os.fsencode(tmp_path)])
