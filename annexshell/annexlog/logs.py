"""Logs that hold one value for each field: each uuid, cluster or gateway. Pure.

Upstream: Logs/MapLog.hs (`TIME FIELD VALUE`, newer logs) and Logs/UUIDBased.hs (`UUID VALUE timestamp=TIME`, older
ones). Of equal time stamps the line that comes later wins, unlike in presence logs.
"""

from __future__ import annotations

from annexshell.annexlog.lines import NEVER, each_line, next_clock, parse_clock
from annexshell.model.ids import is_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from annexshell.annexlog.lines import Clock

_STAMP = b" timestamp="

GROUPS = b"group.log"
TRUST = b"trust.log"
PREFERRED = b"preferred-content.log"
REQUIRED = b"required-content.log"
GROUP_WANTED = b"group-preferred-content.log"
COPIES = b"numcopies.log"
MAXIMA = b"maxsize.log"


class _Log:
    """The newest value of each field, with its time stamp as it was written."""

    def __init__(self, text: bytes = b"") -> None:
        self._newest: dict[bytes, tuple[Clock, bytes, bytes]] = {}  # field: clock, stamp, value
        self.add(text)

    def add(self, text: bytes) -> None:
        """Merges more lines in; those that don't parse are left out."""
        for line in each_line(text):
            parsed = self._parse(line)
            if parsed is None:
                continue
            field, stamp, value = parsed
            clock = parse_clock(stamp) or NEVER
            known = self._newest.get(field)
            if known is None or known[0] <= clock:
                self._newest[field] = (clock, stamp, value)

    def get(self, field: bytes) -> bytes | None:
        known = self._newest.get(field)
        return None if known is None else known[2]

    def set(self, field: bytes, value: bytes, now: int) -> None:
        """Sets the value of a field as of `now`, seconds since the epoch."""
        known = self._newest.get(field)
        stamp = next_clock(now, () if known is None or known[0] == NEVER else (known[0],))
        self._newest[field] = (parse_clock(stamp) or NEVER, stamp, value)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """(field, value), sorted by field."""
        return ((field, self._newest[field][2]) for field in sorted(self._newest))

    def text(self) -> bytes:
        """The log written anew, one line for each field."""
        return b"".join(self._format(field, *self._newest[field][1:]) for field in sorted(self._newest))

    def _parse(self, line: bytes) -> tuple[bytes, bytes, bytes] | None:
        """(field, time stamp, value)."""
        raise NotImplementedError

    def _format(self, field: bytes, stamp: bytes, value: bytes) -> bytes:
        raise NotImplementedError


class MapLog(_Log):
    """`TIME FIELD VALUE`: proxy.log, cluster.log, maxsize.log and others. An empty value keeps its blank."""

    def _parse(self, line: bytes) -> tuple[bytes, bytes, bytes] | None:
        stamp, _, rest = line.partition(b" ")
        field, blank, value = rest.partition(b" ")
        if not blank or parse_clock(stamp) is None:
            return None
        return field, stamp, value

    def _format(self, field: bytes, stamp: bytes, value: bytes) -> bytes:
        return b"%b %b %b\n" % (stamp, field, value)


class UuidLog(_Log):
    """`UUID VALUE timestamp=TIME`: uuid.log, trust.log, group.log and others. A line without a time stamp, or with a
    broken one, is older than all others, and its whole rest is the value."""

    def _parse(self, line: bytes) -> tuple[bytes, bytes, bytes] | None:
        uuid, _, rest = line.partition(b" ")
        if not uuid:
            return None
        text = b" " + rest
        value, found, stamp = text.rpartition(_STAMP)
        if not found or parse_clock(stamp) is None:
            return uuid, b"", rest
        return uuid, stamp, value[1:]

    def _format(self, field: bytes, stamp: bytes, value: bytes) -> bytes:
        if not stamp:
            return b"%b %b\n" % (field, value)
        return b"%b %b timestamp=%b\n" % (field, value, stamp)


def is_legal_remote_name(name: bytes) -> bool:
    """Whether git-annex would take a name for a remote; others in a log are ignored (Git/Remote.hs)."""
    text = name.decode("utf-8", "replace")
    return text[:1] not in ("", ".", "-") and all(c.isalnum() or c in "_-." for c in text)


def parse_proxied(value: bytes) -> list[tuple[bytes, bytes]]:
    """Reads a value of proxy.log: pairs (uuid, name) that a repository proxies for."""
    pairs = (word.partition(b":") for word in value.split(b" "))
    return [(uuid, name) for uuid, colon, name in pairs if colon and is_word(uuid) and is_legal_remote_name(name)]


def format_proxied(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Writes a value of proxy.log, in upstream's order: by uuid and then by name."""
    return b" ".join(b"%b:%b" % pair for pair in sorted(pairs))


def parse_remote_config(value: bytes) -> dict[bytes, bytes]:
    """Reads a value of remote.log, the configuration of a special remote: words `NAME=VALUE`, in which `&NN;` stands
    for the character with that number (Logs/Remote/Pure.hs)."""
    pairs = (word.partition(b"=") for word in value.split())
    return {name: _unescaped(text) for name, _, text in pairs}


def _unescaped(text: bytes) -> bytes:
    first, *rest = text.split(b"&")
    for piece in rest:
        number, semicolon, behind = piece.partition(b";")
        if semicolon and number.isdigit() and int(number[:9]) < 0x110000:
            first += chr(int(number[:9])).encode("utf-8", "surrogatepass") + behind
        else:
            first += b"&" + piece
    return first
