"""A server whose workers can be looked into: what they hold while they have nothing to do, and after an ordeal."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from tests.repo.places import waiting_for
from tests.support.httpserver import Server

_PATIENCE = 20.0  # seconds
_PROGRAM = Path(__file__).with_name("watchedserver.py")


class WatchedServer(Server):
    """One that runs with other limits; see tests.support.watchedserver. `counts` is a directory for its own use."""

    program = _PROGRAM

    def __init__(
        self, place: Path, *options: str, counts: Path, limits: str = "", env: dict[str, str] | None = None
    ) -> None:
        counts.mkdir()
        self._counts = counts
        own = {"LIMITS": limits, "COUNTS": str(counts), "GEVENT_THREADPOOL_IDLE_TASK_TIMEOUT": "0.5"}
        super().__init__(place, *options, env={**own, **(env or {})})

    @property
    def workers(self) -> list[int]:
        return children(self.process.pid)

    def at_rest(self) -> dict[str, int]:
        """The same, when all workers have come to accept connections."""
        waiting_for(lambda: self.workers != [] and all(self._greenlets(pid) > 0 for pid in self.workers))
        return self.held()

    def held(self) -> dict[str, int]:
        """What all workers hold: file descriptors, threads, children, greenlets, and locks of files."""
        waiting_for(lambda: self._look() != [])  # the kernel's list may leave some out while others come and go
        workers = self._seen
        sums = {"greenlets": sum(map(self._greenlets, workers))}
        for pid in workers:
            for name, number in _of_process(pid).items():
                sums[name] = sums.get(name, 0) + number
        return sums

    def _look(self) -> list[int]:
        self._seen = self.workers
        return self._seen

    def _greenlets(self, pid: int) -> int:
        path = self._counts / str(pid)
        path.unlink(missing_ok=True)
        deadline = time.monotonic() + _PATIENCE
        while not path.exists():
            assert time.monotonic() < deadline
            os.kill(pid, signal.SIGUSR2)  # a process that has just been forked forgets that
            again = time.monotonic() + 1
            while not path.exists() and time.monotonic() < again:
                time.sleep(0.002)
        return int(path.read_text())

    def settled(self, before: dict[str, int], seconds: float = 20) -> None:
        """Returns when the workers hold no more than before; fails if that never is."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.held()
            if all(number <= before[name] for name, number in now.items()):
                return
            assert time.monotonic() < deadline, f"{now} are held, and were {before}"
            time.sleep(0.1)


def children(pid: int) -> list[int]:
    """The processes that any thread of a process has started."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for file in files for word in file.read_text().split()]


def _of_process(pid: int) -> dict[str, int]:
    locks = 0
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            locks += len(re.findall("^lock:", entry.read_text(), re.MULTILINE))
        except OSError:  # closed just now
            continue
    return {
        "files": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "children": len(children(pid)),
        "locks": locks,
    }
