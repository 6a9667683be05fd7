"""A line for each request: in the combined log format, which web tools read, or in JSON, which tells more."""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.http1.exchange import Exchange

_LONGEST = 4096  # bytes of what a client sent that are repeated
COMBINED, JSON = "combined", "json"


class AccessLog:
    """Appends to a file, or writes to standard output. Each line is one write, so that processes may share it. A log
    that can't be written is no reason not to serve. Raises OSError if it can't be opened."""

    def __init__(self, path: str, form: str = COMBINED) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = 1 if path == "-" else os.open(path, flags, 0o640)
        self._line = _as_json if form == JSON else _combined

    def note(self, exchange: Exchange) -> None:
        """Writes the line of a request that has been answered, or whose client went."""
        try:
            os.write(self._fd, self._line(exchange).encode() + b"\n")
        except OSError:
            pass

    def close(self) -> None:
        if self._fd != 1:
            os.close(self._fd)


def _combined(exchange: Exchange) -> str:
    head = exchange.head
    request = _quoted(b"%b %b HTTP/%b" % (head.method, head.raw_target, head.version.encode()))
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    who = f"{exchange.peer or '-'} - {_quoted(exchange.user) or '-'}"
    agent = f'"{_quoted(head.header(b"referer")) or "-"}" "{_quoted(head.header(b"user-agent")) or "-"}"'
    return f'{who} [{when}] "{request}" {exchange.outcome} {exchange.sent} {agent}'


def _quoted(text: bytes) -> str:
    """What a client sent, fit to stand between quotes on one line."""
    special = b'"\\'
    return "".join(chr(c) if 32 <= c < 127 and c not in special else f"\\x{c:02x}" for c in text[:_LONGEST])


def _as_json(exchange: Exchange) -> str:
    """What does not apply is left out. All of it is ASCII, so that nothing can begin a line of its own."""
    head, call = exchange.head, exchange.call
    now = time.time()
    entry: dict[str, object] = {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z",
        "address": exchange.peer,
        "user": _text(exchange.user),
        "method": _text(head.method),
        "path": _text(head.raw_target),
        "endpoint": exchange.endpoint,
        "status": exchange.outcome,
        "bytes": exchange.sent,
        "received": exchange.body.received,
        "seconds": round(time.monotonic() - exchange.began, 6),
        "repository": _text(exchange.repository),
        "agent": _text(head.header(b"user-agent")),
    }
    if call is not None:
        key = getattr(call, "key", None)
        entry["client"] = _text(call.client)
        entry["key"] = "" if key is None else _text(key.serialized)
    return json.dumps({name: value for name, value in entry.items() if value != ""})


def _text(data: bytes) -> str:
    return data[:_LONGEST].decode("utf-8", "backslashreplace")
