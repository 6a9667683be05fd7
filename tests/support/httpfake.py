"""A server on loopback that answers as a test says: of git-annex's HTTP API, of any version, and with any fault."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote_to_bytes

KEEP, CLOSE, RESET, STALL, DRIP = "keep", "close", "reset", "stall", "drip"


class Request:
    """What a client asked for. `read_body` brings the body, as far as it comes."""

    def __init__(self, head: bytes, connection: Connection) -> None:
        line, *fields = head.split(b"\r\n")
        self.method, self.target, _ = line.split(b" ")
        self.fields = {name.lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
        path, _, query = self.target.decode().partition("?")
        self.path = path.split("/")[1:]
        self.parameters = parse_qsl(query, encoding="latin-1")
        self.body = b""
        self._connection = connection

    @property
    def version(self) -> int:
        return int(self.path[2][1:])

    @property
    def endpoint(self) -> str:
        return self.path[3]

    @property
    def key(self) -> bytes:
        return unquote_to_bytes(self.path[4]) if self.endpoint == "key" else dict(self.parameters)["key"].encode()

    def read_body(self) -> bytes:
        self.body = self._connection.read(int(self.fields.get(b"content-length", b"0")))
        return self.body


class Reply:
    """What goes back, as bytes, and what becomes of the connection."""

    def __init__(self, data: bytes, then: str = KEEP) -> None:
        self.data = data
        self.then = then


def reply(status: str, body: bytes = b"", *fields: str, then: str = KEEP) -> Reply:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return Reply("\r\n".join(head).encode() + body, then)


def answer(*, then: str = KEEP, **values: object) -> Reply:
    """JSON."""
    return reply("200 OK", json.dumps(values).encode(), "Content-Type: application/json", then=then)


def done(request: Request, **values: object) -> Reply:
    """JSON; since version 2 with the repositories where else it was done."""
    if request.version >= 2:
        values["plusuuids"] = ["another"]
    return reply("200 OK", json.dumps(values).encode(), "Content-Type: application/json")


def content(data: bytes, *fields: str, length: int | None = None, then: str = KEEP) -> Reply:
    """What a GET brings."""
    size = len(data) if length is None else length
    return reply("200 OK", data, f"X-git-annex-data-length: {size}", *fields, then=then)


class Connection:
    """The server's end of one connection."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._ahead = b""

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except OSError:
            return False
        self._ahead += data
        return bool(data)

    def read_head(self) -> bytes | None:
        while b"\r\n\r\n" not in self._ahead:
            if not self._more():
                return None
        head, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        return head

    def read(self, count: int) -> bytes:
        while len(self._ahead) < count and self._more():
            pass
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        return data

    def send(self, reply: Reply) -> bool:
        """Whether the connection goes on."""
        try:
            self._socket.sendall(reply.data)
        except OSError:
            return False
        if reply.then == RESET:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif reply.then == STALL:
            self.read(1 << 40)
        elif reply.then == DRIP:
            self._drip()
        return reply.then == KEEP

    def _drip(self) -> None:
        """Sends a byte ten times a second until the client has enough of that."""
        self._socket.settimeout(0.1)
        while True:
            try:
                self._socket.sendall(b"x")
                if not self._socket.recv(1):
                    return
            except TimeoutError:
                pass
            except OSError:
                return


class HttpServer:
    """Answers each request with what a function returns; `requests` are those that came, `connections` is how many
    connections did. To be stopped, which waits for all of them to end; that may be done twice."""

    def __init__(self, function: Callable[[Request], Reply]) -> None:
        self._function = function
        self.requests: list[Request] = []
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connected,)))
            self._threads[-1].start()

    def _serve(self, connected: socket.socket) -> None:
        with connected:
            connection = Connection(connected)
            while (head := connection.read_head()) is not None:
                request = Request(head, connection)
                self.requests.append(request)
                if not connection.send(self._function(request)):
                    return

    @property
    def asked(self) -> list[str]:
        """The version and endpoint of each request."""
        return [f"v{request.version} {request.endpoint}" for request in self.requests]

    def stop(self) -> None:
        if self._listening.fileno() >= 0:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a client does not hang up"


class Api:
    """A server's answers: it speaks the API up to a version, and keeps contents in memory."""

    def __init__(self, newest: int, bad_version: Reply | None = None) -> None:
        self.contents: dict[bytes, bytes] = {}
        self.locks: set[str] = set()
        self.clock = 1000
        self._newest = newest
        self._bad_version = bad_version or reply("404 Not Found")

    def __call__(self, request: Request) -> Reply:
        since = {"putoffset": 1, "gettimestamp": 3, "remove-before": 3}
        if not since.get(request.endpoint, 0) <= request.version <= self._newest:
            return self._bad_version
        functions: dict[str, Callable[[Request, dict[str, str]], Reply]] = {
            "key": self._get,
            "put": self._put,
            "putoffset": self._offset,
            "remove": self._remove,
            "remove-before": self._remove,
            "lockcontent": self._lock,
            "keeplocked": self._unlock,
            "checkpresent": lambda request, _: answer(present=request.key in self.contents),
            "gettimestamp": lambda *_: answer(timestamp=self.clock),
        }
        request.read_body()
        return functions[request.endpoint](request, dict(request.parameters))

    def _get(self, request: Request, parameters: dict[str, str]) -> Reply:
        data = self.contents.get(request.key)
        return reply("404 Not Found") if data is None else content(data[int(parameters.get("offset", 0)) :])

    def _put(self, request: Request, parameters: dict[str, str]) -> Reply:
        if "data-present" not in parameters:
            self.contents[request.key] = request.body
        return done(request, stored=request.key in self.contents)

    def _offset(self, request: Request, _: dict[str, str]) -> Reply:
        return done(request, alreadyhave=True) if request.key in self.contents else answer(offset=0)

    def _remove(self, request: Request, parameters: dict[str, str]) -> Reply:
        in_time = self.clock < int(parameters.get("timestamp", self.clock + 1))
        if in_time:
            self.contents.pop(request.key, None)
        return done(request, removed=in_time)

    def _lock(self, request: Request, *_: object) -> Reply:
        self.locks.add("a lock #1")
        return answer(locked=request.key in self.contents, lockid="a lock #1")

    def _unlock(self, _: Request, parameters: dict[str, str]) -> Reply:
        self.locks.remove(parameters["lockid"])
        return answer(locked=False)
