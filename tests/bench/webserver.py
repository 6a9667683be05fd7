"""The HTTP servers to measure: ours, and git annex p2phttp, each on a repository of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import psutil

from tests.bench.model import OURS, BenchError, Place
from tests.support.ports import free_port

T = TypeVar("T")
_PATIENCE = 20.0  # seconds until it has to answer
_GREETINGS = 16  # answers after which each worker is likely to have given one
JOBS = 16  # that the original is given


@dataclass(frozen=True)
class ServerMemory:
    """Bytes that a server has: `resident` and `share` are of its largest process, which a worker is; `share` counts
    what several processes have in common once for all of them, and `total` is the sum of that."""

    resident: int
    share: int
    total: int


class WebServer:
    """A server of one repository, from `__enter__` on. Everybody may do everything, on loopback alone."""

    def __init__(self, place: Place, *options: str | Path) -> None:
        self.port = free_port()
        self.uuid = place.uuid
        ours = place.side.name == OURS
        program = place.side.shell.with_name("annexshell" if ours else "git-annex")
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [program, "p2phttp", f"-J{JOBS}", "--wideopen", "--bind=127.0.0.1", f"--port={self.port}", *options],
            cwd=place.repository,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )

    def __enter__(self) -> WebServer:
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                for _ in range(_GREETINGS):
                    self._greet()
                return self
            except OSError:
                time.sleep(0.01)
        error = BenchError("the server does not start")
        self.__exit__(BenchError, error, None)
        raise error

    def _greet(self) -> None:
        """Waits for an answer, whatever it is. Raises OSError."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
            try:
                connection.recv(1)
            except ConnectionResetError:
                pass  # it wants TLS

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        said = self._said()
        self._errors.close()
        if isinstance(error, BenchError) and said:
            raise BenchError(f"{error}; it said {said!r}") from None

    def _said(self) -> str:
        return os.fsdecode(os.pread(self._errors.fileno(), 2000, 0))

    def target(self, endpoint: str, key: bytes) -> str:
        """The path of a request of the newest version."""
        place = f"/git-annex/{self.uuid}/v4"
        client = "clientuuid=11111111-1111-4111-8111-111111111111"
        if endpoint == "key":
            return f"{place}/key/{key.decode()}?{client}"
        return f"{place}/{endpoint}?key={key.decode()}&{client}"

    def url(self, endpoint: str, key: bytes, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{self.target(endpoint, key)}"

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Of all its processes, and those that have ended."""
        return sum(sum(process.cpu_times()[:4]) for process in self._processes())

    def own_cpu_seconds(self) -> float:
        """Of its processes alone, without the programs that they have run."""
        workers = [process for process in self._processes() if process.name() != "git"]
        return sum(sum(process.cpu_times()[:2]) for process in workers)

    def memory(self) -> ServerMemory:
        found = []
        for process in self._processes():
            try:
                found.append(process.memory_full_info())
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                pass
        shares = [info.pss for info in found]
        return ServerMemory(max(info.rss for info in found), max(shares), sum(shares))

    def measured(self, work: Callable[[], T]) -> tuple[T, float]:
        """The result of some work, and the processor seconds that the server took for it."""
        before = self.cpu_seconds()
        result = work()
        return result, self.cpu_seconds() - before
