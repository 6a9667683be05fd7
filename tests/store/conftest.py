"""What tests of the store share: sessions of both programs, to be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CLIENT_UUID
from tests.support.client import Client
from tests.support.real import Repo

Connect = Callable[..., Client]


@pytest.fixture
def connect(shell: Path, programs: Path) -> Iterator[Connect]:
    """connect(side, repo) is a session of our git-annex-shell ("ours") or of the original ("real")."""
    clients: list[Client] = []

    def start(side: str, repo: Repo, version: int = 4, client: str = CLIENT_UUID, **options: Any) -> Client:
        program = shell if side == "ours" else programs / "git-annex-shell"
        clients.append(Client(program, "p2pstdio", str(repo.path), client, **options))
        assert clients[-1].ask(f"VERSION {version}") == f"VERSION {version}"
        return clients[-1]

    yield start
    for client in clients:
        client.__exit__()
