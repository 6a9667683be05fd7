"""HTTP servers for tests of faults: real processes, which have to be as they were when an ordeal is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.census import WatchedServer
from tests.support.httpserver import Api


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
def talk() -> Iterator[Callable[..., Api]]:
    """talk(server, uuid) makes requests."""
    clients = []

    def make(server: WatchedServer, uuid: str, headers: dict[str, str] | None = None) -> Api:
        clients.append(Api(server, uuid, headers))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
