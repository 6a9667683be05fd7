"""A client that costs nothing, so that the server is what is measured.

It is connected by two pipes, as sshd connects one, and payload goes through it by splice(2): from the server to
/dev/null, or from the page cache to the server.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.bench.model import BenchError

PIPE = 1 << 20  # bytes; what an unprivileged process may ask for
_CLIENT = "11111111-1111-4111-8111-111111111111"


@dataclass(frozen=True)
class Ended:
    """What is left of a session. `seconds` are those from the end of its input until its exit."""

    seconds: float
    cpu_seconds: float  # of the server and the children that it has waited for
    own_cpu_seconds: float  # of the server alone, when its input ended
    peak: int  # bytes of memory


class Session:
    """A server and the client's end of its pipes. `started` is how many seconds the greeting took."""

    def __init__(self, *argv: str | Path) -> None:
        self._errors = os.memfd_create("stderr")
        begin = time.perf_counter()
        self._pid, self._in, self._out = _spawn(argv, self._errors)
        self._ahead = b""
        self._null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self.greeting = self.line()
        except BenchError:
            self.__exit__(None, None, None)
            raise
        self.started = time.perf_counter() - begin

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        for fd in (self._in, self._out, self._null, self._errors):
            if fd >= 0:
                os.close(fd)
        self._in = self._out = self._null = self._errors = -1

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._in, data) :]

    def line(self) -> bytes:
        while b"\n" not in self._ahead:
            self._ahead += self._read()
        line, _, self._ahead = self._ahead.partition(b"\n")
        return line

    def ask(self, line: bytes) -> bytes:
        self.write(line + b"\n")
        return self.line()

    def expect(self, line: bytes, answer: bytes) -> None:
        """Sends a line, for which the answer has to be this one, or its longer form with uuids."""
        self.write(line + b"\n")
        self.expect_line(answer)

    def expect_line(self, expected: bytes) -> None:
        got = self.line()
        if got != expected and not got.startswith(expected + b"-PLUS "):
            raise self._failed(f"the server says {got!r} where {expected!r} was expected")

    def _read(self) -> bytes:
        data = os.read(self._out, 65536)
        if not data:
            raise self._failed("the server has ended its output")
        return data

    def _failed(self, text: str) -> BenchError:
        said = os.pread(self._errors, 2000, 0)
        return BenchError(f"{text}; it said {os.fsdecode(said)!r}" if said else text)

    def swallow(self, count: int) -> None:
        """Drops so many bytes of the server's output."""
        ahead = min(count, len(self._ahead))
        self._ahead = self._ahead[ahead:]
        count -= ahead
        while count:
            moved = os.splice(self._out, self._null, min(count, PIPE))
            if moved == 0:
                raise self._failed(f"the server has ended its output, {count} bytes early")
            count -= moved

    def feed(self, fd: int, count: int, progress: Callable[[int], None]) -> None:
        """Sends the first `count` bytes of a file; `progress` is told how many are gone."""
        offset = 0
        while offset < count:
            progress(offset)
            offset += os.splice(fd, self._in, min(count - offset, PIPE), offset_src=offset)

    def end(self) -> Ended:
        """Closes the connection and waits for the server."""
        peak = _peak(self._pid)
        own = _own_cpu_seconds(self._pid)
        begin = time.perf_counter()
        os.close(self._in)
        self._in = -1
        pid, self._pid = self._pid, 0
        _, status, usage = os.wait4(pid, 0)
        seconds = time.perf_counter() - begin
        if status != 0:
            raise self._failed(f"the server exited with {os.waitstatus_to_exitcode(status)}")
        self.__exit__(None, None, None)
        return Ended(seconds, usage.ru_utime + usage.ru_stime, own, peak)


def p2pstdio(shell: Path, repository: Path, uuid: str) -> Session:
    """A session with a git-annex-shell on a repository, up to its greeting."""
    return Session(shell, "p2pstdio", repository, _CLIENT, "--uuid", uuid)


def connect(shell: Path, repository: Path, uuid: str) -> Session:
    """A session that has agreed on a version and is ready for requests."""
    session = p2pstdio(shell, repository, uuid)
    if session.greeting != b"AUTH-SUCCESS " + uuid.encode() or not session.ask(b"VERSION 4").startswith(b"VERSION "):
        session.__exit__(None, None, None)
        raise BenchError(f"{shell} greets with {session.greeting!r}")
    return session


def _spawn(argv: tuple[str | Path, ...], errors: int) -> tuple[int, int, int]:
    """The process, and our ends of its standard input and output, both enlarged alike for every server."""
    its_in, our_in = os.pipe()
    our_out, its_out = os.pipe()
    for fd in (our_in, our_out):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE)
    try:
        pid = os.posix_spawn(
            argv[0],
            argv,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate((its_in, its_out, errors))],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # this interpreter ignores them, and that is inherited
        )
    except BaseException:
        os.close(our_in)
        os.close(our_out)
        raise
    finally:
        os.close(its_in)
        os.close(its_out)
    return pid, our_in, our_out


def _peak(pid: int) -> int:
    """The most memory that a running process has had so far, in bytes.

    It is read from /proc, for ru_maxrss survives exec: what it says of a small process is the size of the one that has
    started it.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchError("the server has ended already")


def _own_cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
