"""Clients of git over HTTP that cost next to nothing, and what the kernel could do at best."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.model import BenchError
from tests.support.real import run

_TIMEOUT = 600  # seconds
_PART = 4 << 20  # bytes of each file: git deltas nothing so large that is no text
# Passes a response of git's on to a client in the kernel, and nothing else: a pipe is spliced to a socket.
_BARE = """
import fcntl, os, socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connected, _ = listener.accept()
connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
request = os.open(sys.argv[2], os.O_RDONLY)
argv = ["git", "-c", "core.bigFileThreshold=10m", "upload-pack", "--stateless-rpc", sys.argv[1]]
child = subprocess.Popen(argv, stdin=request, stdout=subprocess.PIPE)
pipe = child.stdout.fileno()
fcntl.fcntl(pipe, 1031, 1 << 20)
while os.splice(pipe, connected.fileno(), 1 << 20):
    pass
connected.close()
child.wait()
times = os.times()
print(times.user + times.system, flush=True)
"""


@dataclass(frozen=True)
class Pack:
    """A repository whose content is one large pack, and the request that fetches all of it."""

    repository: Path
    request: bytes
    size: int


def pack(directory: Path, size: int) -> Pack:
    """Makes it, unless it is there already."""
    repository = directory / f"pack-{size}.git"
    if not repository.exists():
        work = directory / f"pack-{size}"
        run("git", "init", "-q", work)
        for number in range(max(1, size // _PART)):
            (work / f"{number}").write_bytes(os.urandom(min(size, _PART)))
        run("git", "add", ".", cwd=work)
        run("git", "commit", "-qm", "all", cwd=work)
        run("git", "clone", "-q", "--bare", work, repository)
        run("git", "repack", "-adq", "--write-bitmap-index", cwd=repository)
        run("rm", "-rf", work)
    tip = run("git", "rev-parse", "HEAD", cwd=repository).strip()
    want = f"want {tip} ofs-delta side-band-64k\n"
    request = f"{len(want) + 4:04x}{want}00000009done\n".encode()
    return Pack(repository, request, size)


def fetch(port: int, path: str, wanted: Pack) -> float:
    """Seconds for the response of upload-pack, which the kernel throws away."""
    head = (
        f"POST {path}/git-upload-pack HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n"
        f"Content-Type: application/x-git-upload-pack-request\r\nContent-Length: {len(wanted.request)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as connection:
        begin = time.perf_counter()
        connection.sendall(head.encode() + wanted.request)
        if not connection.recv(12, socket.MSG_WAITALL).endswith(b" 200"):
            raise BenchError("git does not answer")
        received = _waste(connection)
        seconds = time.perf_counter() - begin
    if received < wanted.size:
        raise BenchError("the end of the pack is missing")
    return seconds


def _waste(connection: socket.socket) -> int:
    received = 0
    nothing = bytearray(1 << 20)  # not written to
    while count := connection.recv_into(nothing, 0, socket.MSG_TRUNC):
        received += count
    return received


def bare_loop(wanted: Pack, directory: Path) -> tuple[float, float]:
    """Seconds, and processor seconds without git's, that a loop takes which splices git's pipe to a socket."""
    request = directory / "request"
    request.write_bytes(wanted.request)
    argv: list[str | Path] = [sys.executable, "-c", _BARE, wanted.repository, request]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as connection:
            begin = time.perf_counter()
            received = _waste(connection)
            seconds = time.perf_counter() - begin
        cpu_seconds = float(process.stdout.readline())
    if received < wanted.size:
        raise BenchError("the end of the pack is missing")
    return seconds, cpu_seconds
