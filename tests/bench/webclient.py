"""Clients of HTTP: wrk for many requests, curl for https, and our own ones that cost next to nothing."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from tests.bench.memory import WarmMemory
from tests.bench.model import BenchError
from tests.bench.operations import Payload
from tests.bench.webserver import WebServer

_TIMEOUT = 120  # seconds
_POST = 'wrk.method = "POST"\nwrk.headers["Content-Length"] = "0"\n'
_SUMMARY = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("BENCH %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What came of many requests. Latencies are in milliseconds."""

    requests: int
    rate: float  # per second
    median: float
    p99: float


def load(server: WebServer, endpoint: str, key: bytes, connections: int, seconds: float) -> Load:
    """As many requests as the server answers on so many connections, all of which have to succeed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write((_POST if endpoint != "key" else "") + _SUMMARY)
        script.flush()
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={_TIMEOUT}s"]
        done = subprocess.run([*argv, "-s", script.name, server.url(endpoint, key)], capture_output=True, text=True)
    line = next((line for line in done.stdout.splitlines() if line.startswith("BENCH ")), "")
    if not line:
        raise BenchError(f"wrk fails: {done.stdout}{done.stderr}")
    requests, duration, median, p99, errors = map(int, line.split()[1:])
    if errors or not requests:
        raise BenchError(f"{errors} of {requests} requests failed")
    return Load(requests, requests / (duration / 1e6), median / 1e3, p99 / 1e3)


def download(server: WebServer, key: bytes, size: int) -> float:
    """Seconds that it takes to receive a content, which the kernel throws away."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=_TIMEOUT) as connection:
        begin = time.perf_counter()
        request = f"GET {server.target('key', key)} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        if not connection.recv(12, socket.MSG_WAITALL).endswith(b" 200"):
            raise BenchError("the content is not there")
        received = 0
        waste = bytearray(1 << 20)  # not written to
        while count := connection.recv_into(waste, 0, socket.MSG_TRUNC):
            received += count
        seconds = time.perf_counter() - begin
    if received < size:
        raise BenchError(f"{size - received} bytes of the content are missing")
    return seconds


def download_secure(server: WebServer, key: bytes, size: int) -> float:
    """Seconds that curl takes over TLS, whatever the certificate."""
    argv = ["curl", "-sSfk", "-o", os.devnull, "-w", "%{time_total} %{size_download}"]
    done = subprocess.run([*argv, server.url("key", key, "https")], capture_output=True, text=True)
    if done.returncode != 0 or int(done.stdout.split()[1]) != size:
        raise BenchError(f"curl fails: {done.stdout} {done.stderr}")
    return float(done.stdout.split()[0])


def certificate(directory: Path) -> list[str]:
    """Options that have a server speak https with a certificate made for it."""
    names = [str(directory / "certificate.pem"), str(directory / "key.pem")]
    if not Path(names[1]).exists():
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
        subprocess.run([*make, "-out", names[0], "-keyout", names[1]], check=True, capture_output=True)
    return [f"--certfile={names[0]}", f"--privatekeyfile={names[1]}"]


class Uploader:
    """Stores contents that were never seen before: a file with a few bytes behind it that are different each time."""

    def __init__(self, server: WebServer, payload: Payload) -> None:
        self._server = server
        self._payload = payload
        self._digest = sha256()
        with open(payload.path, "rb") as file:
            while data := file.read(1 << 20):
                self._digest.update(data)
        self.size = payload.size + 16

    def put(self, memory: WarmMemory | None = None) -> bytes:
        """The key of what was stored."""
        last = os.urandom(16)
        digest = self._digest.copy()
        digest.update(last)
        key = b"SHA256-s%d--%b" % (self.size, digest.hexdigest().encode())
        with socket.create_connection(("127.0.0.1", self._server.port), timeout=_TIMEOUT) as connection:
            head = (
                f"POST {self._server.target('put', key)} HTTP/1.1\r\nHost: bench\r\nContent-Length: {self.size}\r\n"
                f"Content-Type: application/octet-stream\r\nX-git-annex-data-length: {self.size}\r\n\r\n"
            )
            connection.sendall(head.encode())
            self._send(connection, memory)
            connection.sendall(last)
            response = HTTPResponse(connection)
            response.begin()
            body = response.read()
            if b'"stored":true' not in body:
                raise BenchError(f"an upload fails: {response.status} {response.reason} {body!r}")
        return key

    def _send(self, connection: socket.socket, memory: WarmMemory | None) -> None:
        with open(self._payload.path, "rb") as file:
            offset = 0
            while offset < self._payload.size:
                if memory is not None:
                    memory.give_back(offset)
                piece = min(self._payload.size - offset, 1 << 20)
                offset += connection.sendfile(file, offset, piece)

    def remove(self, key: bytes) -> None:
        connection = HTTPConnection("127.0.0.1", self._server.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", self._server.target("remove", key), b"")
            body = connection.getresponse().read()
            if b'"removed":true' not in body:
                raise BenchError(f"a removal fails: {body!r}")
        finally:
            connection.close()


class Uploading:
    """Clients that store one content after the other, in the background."""

    def __init__(self, server: WebServer, payload: Payload, clients: int) -> None:
        self._uploader = Uploader(server, payload)
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self._failure: BaseException | None = None
        self.stored = 0  # bytes

    def __enter__(self) -> Uploading:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise BenchError(str(self._failure))

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                key = self._uploader.put()
                self.stored += self._uploader.size
                self._uploader.remove(key)
        except Exception as error:
            self._failure = error


@contextmanager
def idle_connections(server: WebServer, key: bytes, count: int) -> Iterator[None]:
    """So many connections on which one request was answered, and then nothing comes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    request = f"POST {server.target('checkpresent', key)} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n".encode()
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=_TIMEOUT)
            connections.append(connection)
            connection.sendall(request)
            if b" 200 " not in connection.recv(4096):
                raise BenchError(f"connection {len(connections)} is not answered")
        yield
    finally:
        for connection in connections:
            connection.close()
