"""Reading small files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.disk.files import read_file


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 300_000])
def test_all_of_a_file(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert read_file(os.fsencode(tmp_path / "file")) == data


def test_no_file(tmp_path: Path) -> None:
    assert read_file(os.fsencode(tmp_path / "gone")) is None
    assert read_file(os.fsencode(tmp_path / "gone" / "file")) is None


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IsADirectoryError):
        read_file(os.fsencode(tmp_path))
    with pytest.raises(NotADirectoryError):
        read_file(os.fsencode(tmp_path / "file" / "x"))
