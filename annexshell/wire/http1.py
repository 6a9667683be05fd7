"""HTTP/1.1 as a client writes and reads it (RFC 9112), strictly. Pure: what a server sent comes in as lines."""

from __future__ import annotations

from annexshell.errors import BadResponse, NotEncodable
from annexshell.model.show import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Fields = Iterable[tuple[bytes, bytes]]

MAX_HEAD = 65536  # bytes of a status line with its header fields, and of the trailer fields behind a chunked body

CHUNKED, UNTIL_CLOSE = -1, -2  # in place of the length of a body

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_LONGEST_NUMBER = 18  # digits of a length in bytes; 16 if they are hexadecimal
_LONGEST_REASON = 200  # characters that we repeat to people


def request_head(method: bytes, target: bytes, fields: Fields) -> bytes:
    """A request up to its body. Raises NotEncodable for a value that would not stay in its line."""
    lines = [b"%b %b HTTP/1.1" % (method, target), *(b"%b: %b" % field for field in fields)]
    if any(b"\n" in line or b"\r" in line or b"\0" in line for line in lines):
        raise NotEncodable("a header can't hold a line break")
    return b"\r\n".join([*lines, b"", b""])


class ResponseHead:
    """The status line and the header fields. `reason` is fit to be shown to people."""

    def __init__(self, is_1_1: bool, status: int, reason: str, fields: dict[bytes, list[bytes]]) -> None:
        self.status = status
        self.reason = reason
        self._is_1_1 = is_1_1
        self._fields = fields

    def values(self, name: bytes) -> list[bytes]:
        """The values of a header field, whose name is given in lower case."""
        return self._fields.get(name, [])

    def field(self, name: bytes) -> bytes:
        """The value of a header field that occurs at most once; empty if it does not. Raises BadResponse."""
        values = set(self.values(name))
        if len(values) > 1:
            raise BadResponse(f"it sent contradictory {name.decode()} headers")
        return values.pop() if values else b""

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may follow on the connection."""
        options = b",".join(self.values(b"connection")).lower().replace(b" ", b"").split(b",")
        return b"close" not in options if self._is_1_1 else b"keep-alive" in options

    @property
    def body_length(self) -> int:
        """Bytes, or CHUNKED, or UNTIL_CLOSE. Raises BadResponse."""
        coding = b",".join(self.values(b"transfer-encoding")).lower()
        length = self.field(b"content-length")
        if self.field(b"content-encoding").lower() not in (b"", b"identity"):
            raise BadResponse("it sent a compressed answer, which nobody asked for")
        if self.status in (204, 304):
            return 0
        if coding:
            if coding != b"chunked" or length:
                raise BadResponse("it sent an answer whose end is ambiguous")
            return CHUNKED
        return parse_length(length) if length else UNTIL_CLOSE


def parse_head(lines: list[bytes]) -> ResponseHead:
    """The head that consists of these lines, without the empty one behind them. Raises BadResponse."""
    version, _, rest = lines[0].partition(b" ")
    status, _, reason = rest.partition(b" ")
    if version not in (b"HTTP/1.0", b"HTTP/1.1") or len(status) != 3 or not status.isdigit() or status < b"100":
        raise BadResponse(f"it does not speak HTTP, but said {visible(lines[0][:60])}")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines[1:]:
        name, value = _field(line)
        fields.setdefault(name, []).append(value)
    return ResponseHead(version == b"HTTP/1.1", int(status), visible(reason, _LONGEST_REASON), fields)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or not _TOKEN.issuperset(name) or b"\0" in value or b"\r" in value:
        raise BadResponse(f"it sent a malformed header, {visible(line[:60])}")
    return name.lower(), value.strip(b" \t")


def parse_length(text: bytes) -> int:
    """A length in bytes. Raises BadResponse."""
    if not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise BadResponse(f"it sent an invalid length, {visible(text[:60])}")
    return int(text)


def parse_chunk_size(line: bytes) -> int:
    """The size in bytes of the chunk that a line announces. Raises BadResponse."""
    size = line.partition(b";")[0].rstrip(b" \t")
    if not 0 < len(size) <= 15 or not _HEX.issuperset(size):
        raise BadResponse(f"it sent a malformed chunk, {visible(line[:60])}")
    return int(size, 16)
