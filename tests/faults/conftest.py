"""For tests of faults: small disks, and HTTP servers that have to be as they were when an ordeal is over."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.census import WatchedServer
from tests.support.httpserver import talk

__all__ = ["mount", "start", "talk"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., WatchedServer]]:
    """start(directory, options..., limits=words) starts a server; see tests.support.watchedserver."""
    servers: list[WatchedServer] = []

    def make(place: Path, *options: str, limits: str = "", env: dict[str, str] | None = None) -> WatchedServer:
        counts = tmp_path / f"counts{len(servers)}"
        servers.append(WatchedServer(place, *options, counts=counts, limits=limits, env=env))
        return servers[-1]

    yield make
    for server in servers:
        errors = server.stop()
        assert "internal error" not in errors, errors
        assert "Traceback" not in errors, errors


@pytest.fixture
def mount(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of two megabytes, or of another size that is given as a parameter."""
    path = tmp_path / "mounted"
    path.mkdir()
    size = getattr(request, "param", "2m")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], capture_output=True)
    if done.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", path], check=True)
