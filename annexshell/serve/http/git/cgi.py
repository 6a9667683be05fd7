"""What git http-backend is told, and what it says, in the variables and headers of CGI (RFC 3875). Pure."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from annexshell.serve.http.git.target import Target
    from annexshell.serve.http.http1.heads import Head

MAX_HEAD = 16384  # bytes of the headers of an answer
_CODINGS = (b"", b"identity", b"gzip", b"x-gzip")
_PROTOCOL = re.compile(rb"[A-Za-z0-9=.:_-]{1,200}").fullmatch  # what git takes for version=2 and its like
# Of our own environment, what git and the hooks of a repository need as they do over ssh.
_KEPT = re.compile(
    rb"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_CONFIG_HOME"
    rb"|GIT_EXEC_PATH|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)"
).fullmatch
_ANSWERED = (b"content-type", b"expires", b"pragma", b"cache-control")  # headers that are passed on


def kept(environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """What git may see of our environment: it and each hook could tell others of all else."""
    return {name: value for name, value in environment.items() if _KEPT(name)}


def variables(target: Target, head: Head, git_dir: bytes, user: bytes, address: str) -> dict[bytes, bytes]:
    """The variables of a request for a repository."""
    told = {
        b"GATEWAY_INTERFACE": b"CGI/1.1",
        b"GIT_HTTP_EXPORT_ALL": b"1",
        b"PATH_TRANSLATED": b"%b/%b" % (git_dir, target.endpoint.encode()),
        b"REQUEST_METHOD": head.method,
        b"SERVER_PROTOCOL": b"HTTP/1.1",
        b"REMOTE_ADDR": address.encode(),
        b"QUERY_STRING": b"service=" + target.service if head.method != b"POST" else b"",
        b"CONTENT_TYPE": head.header(b"content-type"),
        b"HTTP_CONTENT_ENCODING": head.header(b"content-encoding").lower(),
    }
    if user:
        told[b"REMOTE_USER"] = user
    protocol = head.header(b"git-protocol")
    if _PROTOCOL(protocol):
        told[b"GIT_PROTOCOL"] = protocol
    return told


def is_known_coding(head: Head) -> bool:
    """Whether git can read a body coded like this."""
    return head.header(b"content-encoding").lower() in _CODINGS


class CgiHead:
    """The headers of an answer. There may be several of a name, the last of which counts."""

    def __init__(self, raw: bytes) -> None:
        self.status = 200
        self._values: dict[bytes, bytes] = {}
        for line in raw.splitlines():
            name, colon, value = line.partition(b":")
            if colon:
                self._values[name.strip().lower()] = value.strip()
        status = self._values.get(b"status", b"")[:3]
        if status.isdigit():
            self.status = int(status)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Those that a client gets."""
        values = self._values
        return tuple((name.decode().title(), values[name].decode("latin-1")) for name in _ANSWERED if name in values)


def split_head(data: bytes) -> tuple[bytes, bytes] | None:
    """The headers, and what has come behind them; None if they are not all there."""
    for mark in (b"\r\n\r\n", b"\n\n"):
        raw, found, rest = data.partition(mark)
        if found:
            return raw, rest
    return None
