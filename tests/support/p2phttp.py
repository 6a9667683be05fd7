"""The real git annex p2phttp, on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path

from tests.support.ports import free_port

_PATIENCE = 20.0  # seconds until it has to answer
_ATTEMPTS = 5  # somebody else may take the free port that we found


class P2pHttp:
    """A server of all repositories below a directory, also of those that come later. To be stopped."""

    def __init__(self, directory: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self._log = directory.with_name(directory.name + ".log")
        for _ in range(_ATTEMPTS):
            self.port = free_port()
            argv = ["git-annex", "p2phttp", "--directory", str(directory), "--bind", "127.0.0.1", "-J8"]
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [*argv, f"--port={self.port}", *options],
                    cwd=directory,
                    env={**os.environ, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            if self._answers():
                return
            self.stop()
        raise RuntimeError(f"git annex p2phttp does not start: {self._log.read_text()}")

    @property
    def url(self) -> str:
        """For remote.NAME.annexUrl."""
        return f"annex+http://127.0.0.1:{self.port}/git-annex/"

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=30)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        """Whether this very server comes to accept connections: if another had the port, ours would have ended."""
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self._process.poll() is None
            except OSError:
                time.sleep(0.01)
        return False
