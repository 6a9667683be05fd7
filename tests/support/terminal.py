"""A program on a terminal of its own, whose window has a size and whose keys can be pressed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.conftest import ROOT

# With the terminal as its own, so that ^C reaches it; tests that run in the background may have been told to ignore it.
_START = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


_MARK = b"\0no more of it"  # what it has written before is read by then
OURS = (sys.executable, str(ROOT / "bin" / "annexshell"))


class Terminal:
    """annexshell, or another program by its path, called in a directory."""

    def __init__(self, place: Path, *arguments: str, program: Sequence[str] = OURS, **env: str) -> None:
        self._master, slave = pty.openpty()
        self.resize(20, 60)
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        command = [sys.executable, "-Sc", _START, *program, *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        self.written = b""

    def resize(self, height: int, width: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def see(self, condition: Callable[[bytes], object], seconds: float = 20.0) -> None:
        """Reads until what has been written since the last time is as it should be."""
        deadline = time.monotonic() + seconds
        seen = b""
        while not condition(seen):
            left = deadline - time.monotonic()
            assert left > 0, seen
            if select.select([self._master], [], [], left)[0]:
                piece = os.read(self._master, 65536)
                seen += piece
                self.written += piece

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def end(self) -> int:
        """Its exit code, when it has left the terminal as it was."""
        code = self.process.wait(20)
        os.write(self._slave, _MARK)
        while not self.written.endswith(_MARK):
            self.written += os.read(self._master, 65536)
        self.written = self.written.removesuffix(_MARK)
        assert termios.tcgetattr(self._slave) == self.before
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)
