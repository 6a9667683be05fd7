"""Counting transfers to and from nodes."""

from __future__ import annotations

import os
from pathlib import Path

from annexshell.disk.perms import Perms
from annexshell.repo.gateway.loads import Loads

A, B = b"node-a", b"node-b"


def test_processes_count_together(tmp_path: Path) -> None:
    one, other = (Loads(bytes(tmp_path), Perms(None, False, False)) for _ in range(2))
    assert one.count(A) == 0
    taken = [one.take(A), other.take(A), other.take(B)]
    assert [loads.count(uuid) for loads in (one, other) for uuid in (A, B)] == [2, 1, 2, 1]
    for fd in taken:
        os.close(fd)
    assert [one.count(A), one.count(B)] == [0, 0]


def test_where_nothing_can_be_counted(tmp_path: Path) -> None:
    loads = Loads(bytes(tmp_path), Perms(None, False, False))
    loads.count(A)
    (tmp_path / "annexshell").rmdir()
    assert loads.take(A) == -1
