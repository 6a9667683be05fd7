"""What precedes the body of a request, and what is wrong with one, whichever library has read it. No I/O.

What we are lenient with somebody else may understand in another way, and whoever knows that gets requests past a proxy
that it would not let through. So whatever says where a request ends is said once and plainly (RFC 9112, 11.2).
"""

from __future__ import annotations

MAX_TARGET = 65536  # bytes; a path of 4 kB in a parameter can take 12 kB
MAX_HEAD = 131072  # bytes of request line and headers
_MAX_HEADERS = 200
_LONGEST_LENGTH = 18  # digits

_ONCE = (b"content-length", b"transfer-encoding", b"host")
_LISTS = (b"x-forwarded-for", b"connection")  # each proxy may add a line
_PLAIN = bytes([*b"\t\r\n", *range(32, 127), *range(128, 256)])


class Malformed(Exception):
    """A request that can't be answered but with `status`, and the end of the connection."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Head:
    """A request up to its body. Names of headers are in lower case. `length` is that of the body in bytes, None if it
    comes in chunks."""

    __slots__ = ("_lines", "headers", "keep_alive", "length", "method", "raw_target", "size", "version")

    def __init__(self) -> None:
        self.method = b""
        self.raw_target = b""
        self.version = "1.1"
        self.keep_alive = True
        self.length: int | None = 0
        self.headers: dict[bytes, bytes] = {}
        self.size = 0  # bytes that all of it had
        self._lines = 0

    def header(self, name: bytes) -> bytes:
        """The value of a header, empty if there is none; of several the last."""
        return self.headers.get(name, b"")

    @property
    def has_body(self) -> bool:
        return self.length != 0

    def add(self, name: bytes, value: bytes) -> None:
        """Takes a header as it was sent. Raises Malformed."""
        name, value = name.lower(), value.strip(b" \t")
        headers = self.headers
        self._lines += 1
        if self._lines > _MAX_HEADERS:
            raise Malformed(431, "the request has too many headers")
        if name == b"content-length" and not (value.isdigit() and len(value) <= _LONGEST_LENGTH):
            raise Malformed(400, "the length of the body is not a number of bytes")
        if name in headers:
            if name in _ONCE:
                raise Malformed(400, "a header that says where the body ends, or the host, appears twice")
            if name in _LISTS:
                value = b"%b,%b" % (headers[name], value)
        headers[name] = value

    def complete(self, method: bytes, target: bytes, version: str) -> None:
        """Takes the request line, after all headers. Raises Malformed."""
        if len(target) > MAX_TARGET:
            raise Malformed(414, "the request's target is too long")
        if version not in ("1.0", "1.1"):
            raise Malformed(505, "this server speaks only HTTP/1.1")
        self.method, self.raw_target, self.version = method, target, version
        self.length = self._body_length()
        connection = self.headers.get(b"connection")
        options = [option.strip() for option in connection.lower().split(b",")] if connection else ()
        self.keep_alive = b"close" not in options and (version == "1.1" or b"keep-alive" in options)
        if method == b"CONNECT" or (self.has_body and b"upgrade" in options and b"upgrade" in self.headers):
            raise Malformed(501, "this server speaks no protocol but HTTP/1.1")

    def _body_length(self) -> int | None:
        length = self.headers.get(b"content-length")
        coding = self.headers.get(b"transfer-encoding")
        if coding is None:
            return int(length or 0)
        if length is not None or self.version == "1.0":
            raise Malformed(400, "the request has both a length and chunks, or chunks with HTTP/1.0")
        if coding.lower() != b"chunked":
            raise Malformed(501, "chunked is the only supported transfer encoding")
        return None


def check_plain(text: bytes | bytearray) -> None:
    """Looks at lines of a head, or of what stands between chunks, the last of which may have come in part. Raises
    Malformed for control characters, folded lines, and ends of lines other than CR LF."""
    ends = text.count(b"\r\n")
    returns = text.count(b"\r") - text.endswith(b"\r")
    if (
        ends != text.count(b"\n")
        or ends != returns
        or text.translate(None, _PLAIN)
        or b"\n " in text
        or b"\n\t" in text
    ):
        raise Malformed(400, "a line of the request is folded, is no text, or does not end with CR LF")
