"""A line for each request in the combined log format, that tools for web servers read."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.exchange import Exchange

_LONGEST = 4096  # bytes of what a client sent that are repeated


class AccessLog:
    """Appends to a file, or writes to standard output. Each line is one write, so that processes may share it. A log
    that can't be written is no reason not to serve. Raises OSError if it can't be opened."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = 1 if path == "-" else os.open(path, flags, 0o640)

    def note(self, exchange: Exchange) -> None:
        """Writes the line of a request that has been answered; status 499 is for a client that went before that."""
        head = exchange.head
        request = _quoted(b"%b %b HTTP/%b" % (head.method, head.raw_target, head.version.encode()))
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        who = f"{exchange.peer or '-'} - {_quoted(exchange.user) or '-'}"
        agent = f'"{_quoted(head.header(b"referer")) or "-"}" "{_quoted(head.header(b"user-agent")) or "-"}"'
        line = f'{who} [{when}] "{request}" {exchange.status or 499} {exchange.sent} {agent}\n'
        try:
            os.write(self._fd, line.encode())
        except OSError:
            pass


def _quoted(text: bytes) -> str:
    """What a client sent, fit to stand between quotes on one line."""
    special = b'"\\'
    return "".join(chr(c) if 32 <= c < 127 and c not in special else f"\\x{c:02x}" for c in text[:_LONGEST])
