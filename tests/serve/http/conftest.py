"""A server for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.httpserver import Server, talk

__all__ = ["start", "talk"]


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """start(directory, options...) starts a server."""
    servers = []

    def make(place: Path, *options: str, env: dict[str, str] | None = None) -> Server:
        servers.append(Server(place, *options, env=env))
        return servers[-1]

    yield make
    for server in servers:
        errors = server.stop()
        assert "internal error" not in errors, errors
