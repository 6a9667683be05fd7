"""Partial files expire in one process at a time, and not more often than is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annexshell.repo.expiry import expire_partials
from annexshell.repo.opening import open_parts
from annexshell.repo.parts import Parts
from tests.support.real import Repo


@pytest.fixture(params=["fcntl", "pid"])
def parts(repo: Repo, request: pytest.FixtureRequest) -> Iterator[Parts]:
    """A repository, with the locks of most and with those where the file system has none."""
    repo.git("config", "annex.pidlock", "true" if request.param == "pid" else "false")
    told: list[str] = []
    parts = open_parts(os.fsencode(repo.path), dict(os.environb), told.append)
    yield parts
    parts.close(False)
    assert told == []


@pytest.fixture
def leave(repo: Repo) -> Callable[[], Path]:
    """Leaves a partial file."""

    def leave() -> Path:
        path = repo.annex_dir / "tmp" / "WORM-s10--abandoned"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"part")
        return path

    return leave


def test_what_was_abandoned_goes(parts: Parts, leave: Callable[[], Path]) -> None:
    for _ in range(2):
        path = leave()
        assert expire_partials(parts, 0.0) is False
        assert not path.exists()


def test_nobody_looks_again_soon(parts: Parts, leave: Callable[[], Path]) -> None:
    path = leave()
    assert expire_partials(parts, 1e9) is False
    stamp = Path(os.fsdecode(parts.paths.annex_dir)) / "annexshell/expiry"
    before = stamp.read_bytes()
    assert before.isdigit()
    stamp.write_bytes(b"%d" % (int(before) - 3))
    assert expire_partials(parts, 200.0) is False
    assert int(stamp.read_bytes()) == int(before) - 3, "it was done 3 seconds ago"
    assert expire_partials(parts, 0.0) is False
    assert not path.exists()
