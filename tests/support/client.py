"""A client of the line protocol on pipes, as sshd connects one with git-annex-shell."""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
from pathlib import Path


def sha256_key(content: bytes) -> str:
    return f"SHA256-s{len(content)}--{hashlib.sha256(content).hexdigest()}"


class Client:
    """Talks to a git-annex-shell process. Every wait has a bound, after which the test fails."""

    def __init__(
        self, *argv: str | Path, env: dict[str, str] | None = None, timeout: float = 20, greeting: bool = True
    ) -> None:
        self.timeout = timeout
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self._ahead = b""
        self.uuid = self.line().split(" ", 1)[1] if greeting else ""

    def send(self, *lines: str | bytes) -> None:
        """Sends lines (a newline is added) in one write."""
        data = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
        self.raw(data)

    def raw(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.stdin.fileno(), view) :]

    def _more(self) -> bytes:
        ready, _, _ = select.select([self.stdout], [], [], self.timeout)
        assert ready, f"no answer within {self.timeout} s (so far {self._ahead!r})"
        return os.read(self.stdout.fileno(), 65536)

    def line(self) -> str:
        """The next line; the empty string at the end of the stream."""
        while b"\n" not in self._ahead:
            data = self._more()
            if not data:
                return ""
            self._ahead += data
        line, _, self._ahead = self._ahead.partition(b"\n")
        return os.fsdecode(line)

    def data(self, count: int) -> bytes:
        while len(self._ahead) < count:
            more = self._more()
            assert more, f"the stream ended after {len(self._ahead)} of {count} bytes"
            self._ahead += more
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        return data

    def ask(self, *lines: str | bytes) -> str:
        self.send(*lines)
        return self.line()

    def get(self, key: str, offset: int = 0) -> bytes:
        """Fetches content at protocol version 1 or later; fails unless it is valid."""
        header = self.ask(f"GET {offset}  {key}")
        assert header.startswith("DATA "), header
        content = self.data(int(header.split()[1]))
        assert self.line() == "VALID"
        self.send("SUCCESS")
        return content

    def put(self, key: str, content: bytes, valid: str = "VALID", file: str = "") -> str:
        """Stores content at protocol version 1 or later; returns the last answer."""
        answer = self.ask(f"PUT {file} {key}")
        if not answer.startswith("PUT-FROM "):
            return answer
        rest = content[int(answer.split()[1]) :]
        self.raw(b"DATA %d\n" % len(rest) + rest + valid.encode() + b"\n")
        return self.line()

    def close(self) -> tuple[int, str]:
        """Closes our side and returns the exit code and what came on standard error."""
        self.stdin.close()
        rest = self.process.stdout.read() if self.process.stdout else b""
        self._ahead += rest or b""
        errors = self.process.stderr.read() if self.process.stderr else b""
        code = self.process.wait(self.timeout)
        self._close_pipes()
        return code, os.fsdecode(errors)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._close_pipes()
