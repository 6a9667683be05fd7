"""One request and its answer, on a connection that may see many."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from functools import lru_cache

from annexshell.errors import NotEncodable
from annexshell.serve.http.http1.body import BodySource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from annexshell.model.key import Key
    from annexshell.serve.http.http1.body import EventReader
    from annexshell.serve.http.http1.heads import Head
    from annexshell.serve.http.http1.sender import Sender

    class LoggedCall(Protocol):
        """The parameters of a request that reports name. Transfers have a `key`."""

        optional_key: Key | None
        client: bytes
        file: bytes
        offset: int

        @property
        def key(self) -> Key: ...

    class Passing(Protocol):
        """Counts the bytes of an object on their way."""

        @property
        def passed(self) -> int: ...


_GONE = 499  # as nginx has it

_REASONS = {
    100: "Continue",
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    415: "Unsupported Media Type",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}
_encode = json.JSONEncoder(separators=(",", ":")).encode
_JSON = (("Content-Type", "application/json;charset=utf-8"),)
_TEXT = (("Content-Type", "text/plain;charset=utf-8"),)


class Exchange:
    """A request to be answered once."""

    def __init__(self, source: EventReader, head: Head, sender: Sender) -> None:
        self.stream = source.stream
        self.head = head
        self.sender = sender
        expects = head.header(b"expect").lower() == b"100-continue" and head.version == "1.1"
        self.body = BodySource(source, not head.has_body, expects)
        self.began = time.monotonic()  # seconds
        self.endpoint = ""  # what is asked for, once that is known,
        self.call: LoggedCall | None = None
        self.repository = b""  # and of whom, if that is a repository that is served
        self.user = b""
        self.headers: tuple[tuple[str, str], ...] = ()  # of the answer, whatever that will be
        self.interruptible = False  # whether nothing is lost when a server that is to stop hangs up
        self.status = 0
        self.sink: Passing | None = None  # by which content is sent
        self._sent = 0
        self.keep_alive = head.keep_alive
        self.broken = False  # whether the answer was cut off: nothing may follow it

    @property
    def outcome(self) -> int:
        """The status, or what stands for none: the client went before it was answered."""
        return self.status or _GONE

    @property
    def answered(self) -> bool:
        return self.status != 0

    @property
    def sent(self) -> int:
        """Bytes of the answer's body so far."""
        return self._sent if self.sink is None else self.sink.passed

    @property
    def is_transfer(self) -> bool:
        """Whether content is being moved that takes a while."""
        return bool(self.repository) and (self.sink is not None or (self.endpoint == "put" and not self.answered))

    def json(self, value: object) -> None:
        self.respond(200, _encode(value).encode("utf-8", "surrogatepass"), _JSON)

    def error(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """An answer whose reason phrase, the only thing that git-annex shows its user, is the text."""
        self.respond(status, text.encode("utf-8", "replace") + b"\n" if text else b"", headers + _TEXT, _phrase(text))

    def respond(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = (), reason: str = "") -> None:
        """Sends an answer in one piece."""
        self._settle_body(status)
        head = self.begin(status, len(body), headers, reason)
        if self.head.method == b"HEAD":
            body = b""
        self._sent = len(body)
        self.stream.write(head + body)

    def _settle_body(self, status: int) -> None:
        """Deals with what is left of the request's body. A refusal does not wait for it: whoever sends much wants to
        know at once, and has to stop."""
        if not (self.body.drain() if status < 300 else self.body.skip_ready()):
            self.keep_alive = False

    def dismiss(self) -> None:
        """Has the answer not wait for the rest of the request, nor anything follow it if there is some."""
        if not self.body.dismiss():
            self.keep_alive = False

    def begin(
        self, status: int, length: int | None, headers: tuple[tuple[str, str], ...] = (), reason: str = ""
    ) -> bytes:
        """The head of an answer with so many bytes of body, which the caller sends; None for chunks, or for all that
        comes up to the end of the connection where the client knows no chunks."""
        lines = [
            f"HTTP/1.1 {status} {reason or _REASONS[status]}",
            f"Date: {_date(int(time.time()))}",
        ]
        if length is None:
            self._begin_unknown(lines)
        elif status != 204:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in headers + self.headers]
        if not self.keep_alive:
            lines.append("Connection: close")
        elif self.head.version == "1.0":
            lines.append("Connection: keep-alive")
        if any("\n" in line or "\r" in line for line in lines):
            raise NotEncodable("a header can't hold a line break")
        self.status = status
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")

    def _begin_unknown(self, lines: list[str]) -> None:
        if self.head.version == "1.0":
            self.keep_alive = False
        else:
            lines.append("Transfer-Encoding: chunked")

    def finish(self) -> bool:
        """Ends the exchange; whether another request may follow on the connection."""
        return not self.broken and self.keep_alive and self.body.drain()


@lru_cache(maxsize=2)
def _date(now: int) -> str:
    return formatdate(now, usegmt=True)


def _phrase(text: str) -> str:
    """A text as a reason phrase: one short line of plain characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:200]
