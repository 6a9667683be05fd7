"""Whatever waits for a disk or computes for long does so in a thread: other greenlets go on meanwhile.

There is no measuring here, which would depend on what else this machine does: the slow calls themselves wait until
another greenlet has run.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from annexshell.disk.filelock import FileLocks, _Waiter
from annexshell.green.tasks import Tasks
from annexshell.green.waiter import GeventWaiter
from annexshell.model.key import parse_key
from annexshell.relay.copy import receive
from annexshell.repo.gateway import transfer as spread
from annexshell.repo.gateway.cluster import Cluster
from annexshell.repo.gateway.gateway import Gateway, open_cluster
from annexshell.repo.local.opening import open_parts
from annexshell.repo.port import AlreadyHave
from annexshell.stream.memory import MemoryStream
from annexshell.stream.port import Waiting
from tests.repo.places import make_repo
from tests.support.client import sha256_key
from tests.support.fakenodes import FakeGateway

SMALL, LARGE = b"a small content", b"0123456789abcdef" * 100_000
SLOW = ("fsync", "fdatasync", "sync")
_HELD_UP = 10.0  # seconds after which nobody else will run any more

gevent.sleep(0)
Tasks().offload(lambda: None)  # the hub and its threads have file descriptors of their own


class Heart:
    """A greenlet that beats while it can; slow calls wait for two beats, and note where they were made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._beats = 0
        self._main = threading.get_ident()
        self._greenlet = gevent.spawn(self._beat)
        for name in SLOW:
            monkeypatch.setattr(os, name, self._slow(name, getattr(os, name)))

    def _beat(self) -> None:
        while True:
            self._beats += 1
            gevent.sleep(0.001)

    def _slow(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any) -> Any:
            self.wait(name)
            return real(*args)

        return called

    def wait(self, name: str) -> None:
        assert threading.get_ident() != self._main, f"{name} keeps everybody waiting"
        self.calls.append(name)
        until = self._beats + 2
        pause = threading.Event()
        for _ in range(int(_HELD_UP / 0.002)):
            if self._beats >= until:
                return
            pause.wait(0.002)
        raise AssertionError(f"nobody ran during {name}")

    def stop(self) -> None:
        self._greenlet.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    nodes = {f"n{number}": make_repo(tmp_path / f"n{number}", clone=number) for number in (1, 2, 3)}
    made = FakeGateway.in_front_of(tmp_path / "gw", {name: (node.path, node.uuid) for name, node in nodes.items()})
    said: list[str] = []
    gateway = Gateway(open_parts(os.fsencode(made.path), dict(os.environb), said.append))
    opened = open_cluster(gateway, made.cluster.encode(), Waiting(GeventWaiter(10), GeventWaiter(10)), Tasks())
    yield opened
    opened.close()
    assert said == []


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_disks_of_nodes(content: bytes, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    heart = Heart(monkeypatch)
    key = parse_key(sha256_key(content).encode())
    try:
        writing = cluster.put(key, b"")
        assert not isinstance(writing, AlreadyHave)
        receive(MemoryStream(content), writing.begin, len(content))
        assert len(writing.finish(True)) == 3
        stored = list(heart.calls)
        assert len(cluster.remove(key)) == 3
    finally:
        heart.stop()
    assert len(stored) >= 4, "each node flushes what it has stored, and the gateway what it has recorded"


def test_hashing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes on this machine have it done for them, once."""
    heart = Heart(monkeypatch)
    key = parse_key(sha256_key(LARGE).encode())

    class Slow:
        def __init__(self) -> None:
            self._real = hashlib.sha256()

        def update(self, data: bytes) -> None:
            heart.wait("hash")
            self._real.update(data)

        def hexdigest(self) -> str:
            return self._real.hexdigest()

    monkeypatch.setattr(spread, "hasher_for", lambda _key: Slow())
    try:
        writing = cluster.put(key, b"")
        assert not isinstance(writing, AlreadyHave)
        receive(MemoryStream(LARGE), writing.begin, len(LARGE))
        assert len(writing.finish(True)) == 3
    finally:
        heart.stop()
    assert heart.calls.count("hash") >= 3, "in pieces, once for all nodes"


def test_choosing_nodes(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sizes matter one upload after the other chooses, under a lock that another process may hold for long."""
    parts = open_parts(bytes(tmp_path / "gw"), dict(os.environb), pytest.fail)
    key = parse_key(sha256_key(SMALL).encode())
    parts.journal.change(b"preferred-content.log", b"", lambda _: b"x balanced=g timestamp=1s\n")
    heart = Heart(monkeypatch)
    uploads = parts.paths.annex_dir + b"/annexshell/uploads"
    os.makedirs(uploads)
    held = FileLocks().exclusive(uploads + b".lck", 0)
    real = _Waiter.wait

    def wait(self: _Waiter, limit: float) -> bool:
        heart.wait("lock")
        held.release()
        return real(self, limit)

    monkeypatch.setattr(_Waiter, "wait", wait)
    try:
        writing = cluster.put(key, b"")
        assert not isinstance(writing, AlreadyHave)
        receive(MemoryStream(SMALL), writing.begin, len(SMALL))
        assert len(writing.finish(True)) == 3
    finally:
        heart.stop()
        parts.git.close()
    assert "lock" in heart.calls
