"""A line for each request: in the combined log format, which web tools read, or in JSON, which tells more."""

from __future__ import annotations

import json
import os
import time

from annexshell.serve.http.reporting.outlet import ATOMIC, Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.serve.http.http1.exchange import Exchange

# Bytes of each thing that a client sent: so many that the line is no longer than ATOMIC.
_LONGEST = (4096, 1024, 256, 64)
COMBINED, JSON = "combined", "json"


class AccessLog:
    """Appends to a file, or writes to standard output. Each line is one write, so that processes may share it. A log
    that can't be written is no reason not to serve, nor to wait: lines are left out then, of which `warn` is told.
    Raises OSError if it can't be opened."""

    def __init__(self, path: str, form: str, warn: Callable[[str], None]) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._outlet = Outlet(1) if path == "-" else Outlet(os.open(path, flags, 0o640), shared=False)
        self._line = _as_json if form == JSON else _combined
        self._warn = warn
        self._missing = 0  # lines

    def note(self, exchange: Exchange) -> None:
        """Writes the line of a request that has been answered, or whose client went."""
        lines = (self._line(exchange, longest).encode() + b"\n" for longest in _LONGEST)
        line = next((line for line in lines if len(line) <= ATOMIC), b"")
        if not self._outlet.write(line):
            if not self._missing:
                self._warn("the access log can't be written, or nobody reads it: lines are left out")
            self._missing += 1
        elif self._missing:
            self._warn(f"the access log goes on: {self._missing} lines are missing")
            self._missing = 0

    def close(self) -> None:
        self._outlet.close()


def _combined(exchange: Exchange, longest: int) -> str:
    head = exchange.head
    request = _quoted(b"%b %b HTTP/%b" % (head.method, head.raw_target, head.version.encode()), longest)
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    who = f"{exchange.sender.address or '-'} - {_quoted(exchange.user, longest) or '-'}"
    referer, agent = (_quoted(head.header(name), longest) or "-" for name in (b"referer", b"user-agent"))
    return f'{who} [{when}] "{request}" {exchange.outcome} {exchange.sent} "{referer}" "{agent}"'


def _quoted(text: bytes, longest: int) -> str:
    """What a client sent, fit to stand between quotes on one line."""
    special = b'"\\'
    return "".join(chr(c) if 32 <= c < 127 and c not in special else f"\\x{c:02x}" for c in text[:longest])


def _as_json(exchange: Exchange, longest: int) -> str:
    """What does not apply is left out. All of it is ASCII, so that nothing can begin a line of its own."""
    head, call = exchange.head, exchange.call
    now = time.time()
    entry: dict[str, object] = {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z",
        "address": exchange.sender.address,
        "user": _text(exchange.user, longest),
        "method": _text(head.method, longest),
        "path": _text(head.raw_target, longest),
        "endpoint": exchange.endpoint,
        "status": exchange.outcome,
        "bytes": exchange.sent,
        "received": exchange.body.received,
        "seconds": round(time.monotonic() - exchange.began, 6),
        "repository": _text(exchange.repository, longest),
        "agent": _text(head.header(b"user-agent"), longest),
    }
    if call is not None:
        key = call.optional_key
        entry["client"] = _text(call.client, longest)
        entry["key"] = "" if key is None else _text(key.serialized, longest)
    return json.dumps({name: value for name, value in entry.items() if value != ""})


def _text(data: bytes, longest: int) -> str:
    return data[:longest].decode("utf-8", "backslashreplace")
