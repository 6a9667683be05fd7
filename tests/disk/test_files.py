"""Reading small files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from annexshell.disk.files import read_file, replace_secrets


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 300_000])
def test_all_of_a_file(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert read_file(os.fsencode(tmp_path / "file")) == data


def test_no_file(tmp_path: Path) -> None:
    assert read_file(os.fsencode(tmp_path / "gone")) is None
    assert read_file(os.fsencode(tmp_path / "gone" / "file")) is None


def test_a_named_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_file(os.fsencode(tmp_path / "pipe")) == b""


def test_a_file_that_is_lent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a lease on it, as file servers have, gives it back to those who wait."""
    (tmp_path / "file").write_bytes(b"data")
    really_open = os.open

    def lent(path: bytes, flags: int) -> int:
        if flags & os.O_NONBLOCK:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return really_open(path, flags)

    monkeypatch.setattr(os, "open", lent)
    assert read_file(os.fsencode(tmp_path / "file")) == b"data"


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IsADirectoryError):
        read_file(os.fsencode(tmp_path))
    with pytest.raises(NotADirectoryError):
        read_file(os.fsencode(tmp_path / "file" / "x"))


def test_secrets_are_nobody_elses_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where something has been left, and before anything is in the file; and they are on disk on return."""
    path = os.fsencode(tmp_path / "secrets")
    (tmp_path / "secrets.new").write_bytes(b"left")
    (tmp_path / "secrets.new").chmod(0o666)
    flushed: list[tuple[str, int, int]] = []
    flush = os.fsync

    def fsync(fd: int) -> None:
        info = os.fstat(fd)
        flushed.append((Path(os.readlink(f"/proc/self/fd/{fd}")).name, info.st_mode & 0o777, info.st_size))
        flush(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    replace_secrets(path, b"new", lambda temporary: os.chmod(temporary, 0o640))
    assert flushed[0] == ("secrets.new", 0o600, 3)
    assert [name for name, _, _ in flushed[1:]] == [tmp_path.name]
    assert (tmp_path / "secrets").read_bytes() == b"new"
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "secrets.new").exists()
