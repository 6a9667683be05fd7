"""Connections and files for the relay."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.connections import KINDS, End


@pytest.fixture
def connect() -> Iterator[Callable[[str], End]]:
    """connect(kind) is a connection of that kind; its `stream` is ours."""
    made: list[End] = []

    def make(kind: str) -> End:
        made.append(KINDS[kind]())
        return made[-1]

    yield make
    for end in made:
        end.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Callable[[bytes], int]]:
    """file(data) is an open file with that content, its position at the end."""
    fds: list[int] = []

    def make(data: bytes = b"") -> int:
        fds.append(os.open(tmp_path / f"file{len(fds)}", os.O_RDWR | os.O_CREAT))
        os.write(fds[-1], data)
        return fds[-1]

    yield make
    for fd in fds:
        os.close(fd)
