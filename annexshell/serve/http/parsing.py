"""Requests as they come out of a connection's bytes, by httptools. No I/O."""

from __future__ import annotations

from collections import deque

import httptools

MAX_TARGET = 65536  # bytes; a path of 4 kB in a parameter can take 12 kB
MAX_HEAD = 131072  # bytes of request line and headers
_MAX_FRAMING = 131072  # bytes of chunk extensions and trailers without any payload between them
_MAX_HEADERS = 200

END = None  # stands for the end of a request's body among the events


class Head:
    """A request up to its body. Names of headers are in lower case."""

    __slots__ = ("headers", "keep_alive", "method", "raw_target", "version")

    def __init__(self) -> None:
        self.method = b""
        self.raw_target = b""
        self.version = "1.1"
        self.keep_alive = True
        self.headers: dict[bytes, bytes] = {}

    def header(self, name: bytes) -> bytes:
        """The value of a header, empty if there is none; of several the last."""
        return self.headers.get(name, b"")

    @property
    def has_body(self) -> bool:
        return b"transfer-encoding" in self.headers or self.header(b"content-length") not in (b"", b"0")


class Malformed(Exception):
    """A request that can't be answered but with `status`, and the end of the connection."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class RequestParser:
    """Turns bytes into events: a Head, pieces of its body, END, and then the next. A Malformed is the last event."""

    def __init__(self) -> None:
        self.events: deque[Head | bytes | Malformed | None] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self._head: Head | None = None  # one that is not complete yet
        self._since_event = 0  # bytes
        self._body = False

    @property
    def has_begun(self) -> bool:
        """Whether part of a request's head is here."""
        return self._head is not None

    def feed(self, data: bytes) -> None:
        """Takes what has come."""
        before = len(self.events)
        while data:
            rest = b""
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # We never take up the offer: the next request follows as if nothing had been said.
                rest = data[upgrade.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
            except (httptools.HttpParserError, httptools.HttpParserCallbackError) as error:
                cause = error.__context__
                self.events.append(cause if isinstance(cause, Malformed) else Malformed(400, f"bad request: {error}"))
                return
            self._limit(len(data) - len(rest), before)
            data = rest

    def _limit(self, count: int, before: int) -> None:
        self._since_event = 0 if len(self.events) > before else self._since_event + count
        if self._since_event > (_MAX_FRAMING if self._body else MAX_HEAD):
            self.events.append(Malformed(400 if self._body else 431, "the request's headers are too large"))

    # What httptools calls

    def on_message_begin(self) -> None:
        self._head = Head()
        self._body = False

    def on_url(self, url: bytes) -> None:
        if self._head is not None:
            self._head.raw_target += url
            if len(self._head.raw_target) > MAX_TARGET:
                raise Malformed(414, "the request's target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        head = self._head
        if head is None:
            return  # a trailer, of which we know none
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding") and name in head.headers:
            raise Malformed(400, "a header that says where the body ends is there twice")
        if len(head.headers) >= _MAX_HEADERS:
            raise Malformed(431, "the request has too many headers")
        if name == b"x-forwarded-for" and name in head.headers:
            value = b"%b,%b" % (head.headers[name], value)  # each proxy may add a line
        head.headers[name] = value

    def on_headers_complete(self) -> None:
        head, self._head = self._head, None
        if head is None:
            return
        if b"content-length" in head.headers and b"transfer-encoding" in head.headers:
            raise Malformed(400, "the request has both a length and chunks")
        if head.header(b"transfer-encoding").lower() not in (b"", b"chunked"):
            raise Malformed(501, "only chunked is known here as a transfer encoding")
        head.method = self._parser.get_method()
        head.version = self._parser.get_http_version()
        if head.version not in ("1.0", "1.1"):
            raise Malformed(505, "only HTTP/1.1 is spoken here")
        if head.method == b"CONNECT" or (self._parser.should_upgrade() and head.has_body):
            raise Malformed(501, "no other protocol than HTTP/1.1 is spoken here")
        head.keep_alive = self._parser.should_keep_alive()
        self._body = True
        self.events.append(head)

    def on_body(self, data: bytes) -> None:
        self.events.append(data)

    def on_message_complete(self) -> None:
        self.events.append(END)
        self._body = False
