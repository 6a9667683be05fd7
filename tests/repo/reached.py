"""Nodes as a gateway reaches them, of both programs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from annexshell.disk.perms import Perms
from annexshell.errors import NodeError
from annexshell.repo.nodes.dial import Dialer, Line
from annexshell.repo.nodes.httppeer import HttpRepository
from annexshell.repo.nodes.httprequests import HttpRequests
from annexshell.repo.nodes.httpway import HttpWay
from annexshell.repo.nodes.peer import PeerRepository
from annexshell.store.removal import boot_time
from annexshell.stream.polling import PollWaiter
from annexshell.stream.port import Waiting
from annexshell.wire.httpapi import parse_url
from tests.conftest import CLIENT_UUID
from tests.support.real import Repo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.stream.port import Resolver

LIMIT = 20.0  # seconds
PATIENCE = Waiting(PollWaiter(LIMIT), PollWaiter(LIMIT))


def dialer(env: dict[bytes, bytes] | None = None, connecting: float = LIMIT, answering: float = LIMIT) -> Dialer:
    waiting = Waiting(PollWaiter(answering), PollWaiter(connecting))
    return Dialer(b"/nonexistent", {**os.environb, **(env or {})}, False, Perms(None, False, True), waiting)


def peer(program: Path, repo: Repo) -> PeerRepository:
    """A repository behind a git-annex-shell that runs here."""
    argv = [os.fsencode(word) for word in (program, "p2pstdio", repo.path, CLIENT_UUID)]
    return PeerRepository(repo.uuid.encode(), "node", lambda: dialer().start(argv, "node"), boot_time)


def no_git(_word: bytes) -> Line:
    raise NodeError("git", "nobody should have asked it")


def http(
    port: int,
    uuid: str,
    git_credential: Callable[[bytes], Line] = no_git,
    url: str = "http://127.0.0.1:{port}/git-annex/",
    limit: float = LIMIT,
    resolve: Resolver | None = None,
    clock: Callable[[], int] = boot_time,
    bypass: list[bytes] | None = None,
) -> HttpRepository:
    """A repository behind a server on loopback."""
    base = parse_url(url.format(port=port).encode(), uuid.encode())
    waiting = Waiting(PollWaiter(limit), PollWaiter(limit), resolve)
    way = HttpWay(base, b"annex+http://server/", git_credential, waiting)
    ours = CLIENT_UUID.encode()
    requests = HttpRequests(uuid.encode(), "node", way, ours, bypass or [])
    return HttpRepository(requests, clock)
