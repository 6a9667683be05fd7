"""Nodes as a gateway reaches them, of both programs."""

from __future__ import annotations

import os
from pathlib import Path

from annexshell.disk.perms import Perms
from annexshell.repo.dial import Dialer
from annexshell.repo.peer import PeerRepository
from annexshell.store.removal import boot_time
from annexshell.stream.polling import PollWaiter
from tests.conftest import CLIENT_UUID
from tests.support.real import Repo

LIMIT = 20.0  # seconds


def dialer(env: dict[bytes, bytes] | None = None) -> Dialer:
    return Dialer(b"/nonexistent", {**os.environb, **(env or {})}, False, Perms(None, False, True), PollWaiter(LIMIT))


def peer(program: Path, repo: Repo) -> PeerRepository:
    """A repository behind a git-annex-shell that runs here."""
    argv = [os.fsencode(word) for word in (program, "p2pstdio", repo.path, CLIENT_UUID)]
    return PeerRepository(repo.uuid.encode(), "node", lambda: dialer().start(argv, "node"), boot_time)
