"""Looking at files without waiting for the disk."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from annexshell.disk import glimpse


def known(path: Path) -> int | None:
    """What is seen of a file when the kernel has just been made to know it."""
    try:
        path.stat()
    except OSError:
        pass
    return glimpse.size_at(bytes(path))


def test_what_the_kernel_knows(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert known(tmp_path / "file") == 5
    assert known(tmp_path / "link") == 5
    assert known(tmp_path) == -1
    assert known(tmp_path / "none") is None
    assert glimpse.size_at(bytes(tmp_path) + b"/file\0") is None


def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    assert [known(tmp_path), known(tmp_path / "none")] == [-1, None]
    assert os.listdir("/proc/self/fd") == before


def test_what_only_the_disk_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is asked for something that it can't know: that there is a file that nobody has looked for yet."""
    for _ in range(3):  # it may have made room in its memory, but not so often
        fresh = tmp_path / os.urandom(8).hex()
        with pytest.raises(BlockingIOError):
            glimpse.size_at(bytes(fresh))
    monkeypatch.setattr(glimpse, "_OPENAT2", 100_000)  # a kernel that has no such call
    with pytest.raises(BlockingIOError):
        glimpse.size_at(bytes(tmp_path))


def test_file_systems_that_answer_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glimpse, "_KINDS", (glimpse._kind(bytes(tmp_path)),))
    assert glimpse.is_in_memory(bytes(tmp_path), bytes(tmp_path / "none"))
    assert not glimpse.is_in_memory(bytes(tmp_path), b"/proc")
    monkeypatch.setattr(glimpse, "_KINDS", ())
    assert not glimpse.is_in_memory(bytes(tmp_path))
    assert ctypes.sizeof(ctypes.c_ulong) * 32 >= 120  # bytes of struct statfs
