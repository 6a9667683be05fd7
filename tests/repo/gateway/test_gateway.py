"""What a gateway knows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.model.key import parse_key
from annexshell.repo.gateway.gateway import Gateway
from annexshell.repo.local.opening import open_parts
from tests.support.real import run

KEY = parse_key(b"WORM--key")


@pytest.mark.parametrize(("lines", "handed_over"), [(10, 0), (100_000, 1)])
def test_a_log_of_very_many_lines_keeps_nobody_else_waiting(tmp_path: Path, lines: int, handed_over: int) -> None:
    run("git", "init", "-q", "--bare", tmp_path)
    run("git", "config", "annex.uuid", "u", cwd=tmp_path)
    parts = open_parts(bytes(tmp_path), dict(os.environb), print)
    gateway = Gateway(parts)
    (path, _) = parts.journal.paths(parts.annex.layout.location_log(KEY))
    os.makedirs(os.path.dirname(path))
    Path(os.fsdecode(path)).write_text("".join(f"{number}s 1 a\n" for number in range(lines)) + "1s 1 b\n1s 0 c\n")
    work: list[Callable[[], set[bytes]]] = []

    def offload(function: Callable[[], set[bytes]]) -> set[bytes]:
        work.append(function)
        return function()

    assert gateway.tracker.locations(KEY, offload) == {b"a", b"b"}
    assert len(work) == handed_over
    parts.git.close()
