"""Our p2phttp server as a program, and clients that write HTTP by hand."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pytest

from tests.conftest import ROOT

CLIENT = "some-client"
_RECEIVE_BUFFER = 1 << 16  # bytes
Body = bytes | Iterator[bytes] | None


class Server:
    """A running server. `place` is the directory it is started in."""

    program = ROOT / "bin" / "annexshell"

    def __init__(self, place: Path, *options: str, env: dict[str, str] | None = None) -> None:
        command: list[str | Path] = [sys.executable, self.program, "p2phttp", "--bind", "127.0.0.1", "--port", "0"]
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [*command, *options],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on"), self.stop()
        self.port = int(line.split()[3]) if "port" in line else 0

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Ends it; what it wrote to its standard error."""
        if self.process.poll() is None:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return errors

    @property
    def url(self) -> str:
        return f"annex+http://127.0.0.1:{self.port}/git-annex/"

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=30)

    def raw(self) -> RawClient:
        return RawClient(self.port)


class RawClient:
    """A connection on which anything can be written. Of what it does not read, the kernel takes little: without a
    limit, it may hold a whole large content, and the server is done with a client that was to keep it busy."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, method: str = "GET") -> Answer:
        response = HTTPResponse(self.socket, method=method)
        response.begin()
        return Answer(response)

    def exactly(self, size: int) -> bytes:
        """So many bytes, or what comes up to the end of the connection."""
        data = b""
        while len(data) < size and (piece := self.socket.recv(min(65536, size - len(data)))):
            data += piece
        return data

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        data = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data


class Answer:
    """What a server answered."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), self.body
        return json.loads(self.body)


class Reachable(Protocol):
    """A server, or what is in front of one."""

    def connect(self) -> HTTPConnection: ...


class DistantApi:
    """Requests to one repository of a server, each on the same connection unless it was closed."""

    def __init__(self, server: Reachable, uuid: str, headers: dict[str, str] | None = None) -> None:
        self.uuid = uuid
        self.headers = headers or {}
        self.connection = server.connect()

    def close(self) -> None:
        self.connection.close()

    def path(self, endpoint: str, version: int | None = 4, **parameters: object) -> str:
        name = "" if version is None else f"v{version}/"
        query = "&".join(f"{key.replace('_', '-')}={quote(str(value), safe='')}" for key, value in parameters.items())
        return f"/git-annex/{self.uuid}/{name}{endpoint}{'?' if query else ''}{query}"

    def ask(
        self, method: str, path: str, body: Body = None, headers: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        self.connection.request(method, path, body, {**self.headers, **(headers or {})}, **options)
        return Answer(self.connection.getresponse())

    def get(self, key: str, version: int | None = 4, **parameters: object) -> Answer:
        if version is not None:
            parameters = {"clientuuid": CLIENT, **parameters}
        return self.ask("GET", self.path(f"key/{quote(key, safe='')}", version, **parameters))

    def post(self, endpoint: str, key: str = "", version: int = 4, **parameters: object) -> Answer:
        named = {"key": key, **parameters} if key else parameters
        return self.ask("POST", self.path(endpoint, version, clientuuid=CLIENT, **named), b"")

    def put(
        self, key: str, data: bytes, version: int = 4, length: int | str | None = None, **parameters: object
    ) -> Answer:
        path = self.path("put", version, key=key, clientuuid=CLIENT, **parameters)
        announced = str(len(data) if length is None else length)
        return self.ask("POST", path, data, {"X-git-annex-data-length": announced})

    def present(self, key: str) -> bool:
        return bool(self.post("checkpresent", key).json["present"])

    def lock(self, key: str) -> str:
        answer = self.post("lockcontent", key).json
        return str(answer["lockid"]) if answer["locked"] else ""

    def unlock(self, lock_id: str) -> None:
        path = self.path("keeplocked", lockid=lock_id, clientuuid=CLIENT)
        assert self.ask("POST", path, b'{"unlock":true}\n').json == {"locked": False}

    def removed(self, key: str) -> bool:
        return bool(self.post("remove", key).json["removed"])


class Api(DistantApi):
    """Requests straight to a server of ours."""

    def __init__(self, server: Server, uuid: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(server, uuid, headers)
        self.server = server


@pytest.fixture
def talk() -> Iterator[Callable[..., Api]]:
    """talk(server, uuid) makes requests."""
    clients = []

    def make(server: Server, uuid: str, headers: dict[str, str] | None = None) -> Api:
        clients.append(Api(server, uuid, headers))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
