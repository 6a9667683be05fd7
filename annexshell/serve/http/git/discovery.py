"""`URL/config`: by what stands there, git-annex finds the API of a repository whose url is git's (Remote/Git.hs).

It is written here and never the repository's own. Clients keep what it says for ever, so that it says where they are to
go only if that is certain.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from annexshell.serve.http.access.trusted import plain_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.places import Place

HEADERS = (
    ("Content-Type", "text/plain;charset=utf-8"),
    ("Cache-Control", "no-cache"),
    ("Vary", "Host, X-Forwarded-Host, X-Forwarded-Proto"),
    ("X-Content-Type-Options", "nosniff"),
)
# In place of the configuration of a repository that a push is going to make. Any status but 200 would have git-annex
# (10.20261026) take the login which it has just used for wrong, and git's credential helper forget it: the push itself
# would have none. A configuration without a uuid would do, but it would not be read again before the next command. This
# is none, so that git-annex looks again after the push and sends content at once.
NOT_YET = b"there is no repository here yet: a push makes it\n"
# A name or address, and perhaps a port. What else a client may send has no place in a configuration.
_NAME = rb"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]"
_HOST = re.compile(rb"(%b)(?::([0-9]{1,5}))?" % _NAME).fullmatch
_PLAIN = re.compile(rb"[A-Za-z0-9._~-]+").fullmatch
_PREFIX = re.compile(rb"(/[A-Za-z0-9._~-]+)*").fullmatch


def config_text(place: Place, url: bytes) -> bytes:
    """The configuration. `url` is where the API is, empty if that can't be told."""
    lines = [b"[core]", b"\tbare = %b" % (b"true" if place.config.flag("core.bare", False) else b"false")]
    if place.uuid:
        lines += [b"[annex]", b"\tuuid = " + _quoted(place.uuid)]
        version = place.config.get("annex.version") or b""
        if version.isdigit():
            lines.append(b"\tversion = " + version)
        if url:
            lines.append(b"\turl = " + _quoted(url))
    return b"\n".join(lines) + b"\n"


def _quoted(value: bytes) -> bytes:
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


class ApiUrls:
    """The urls of each repository for git, and of its API, as clients have to be told them. `base` is the prefix of all
    paths here."""

    def __init__(self, base: bytes, report: Callable[[str], None]) -> None:
        self._base = base
        self._report = report
        self._has_reported = False

    def of(self, exchange: Exchange, words: tuple[bytes, ...]) -> bytes:
        """The url, at the host by which the client has reached us, and with the port, since without one clients go to
        another; empty if that can't be told. The path is that of the repository, so that whatever in front of us leads
        there leads to its API as well; names that would have to be encoded are left out."""
        host, prefix = self._origin(exchange)
        found = _HOST(host)
        if found is None:
            return b""
        scheme, usual = (b"annex+https", b"443") if exchange.sender.is_secure else (b"annex+http", b"80")
        path = b"".join(b"/" + word for word in words) if all(map(_PLAIN, words)) else b""
        return b"%b://%b:%b%b%b%b" % (scheme, found[1], found[2] or usual, prefix, self._base, path)

    def for_git(self, exchange: Exchange, words: tuple[bytes, ...]) -> bytes:
        """The url to clone the repository by; empty if that can't be told."""
        host, prefix = self._origin(exchange)
        if _HOST(host) is None:
            return b""
        scheme = b"https" if exchange.sender.is_secure else b"http"
        path = b"".join(b"/" + quote(word, safe="").encode() for word in words)
        return b"%b://%b%b%b%b" % (scheme, host, prefix, self._base, path or b"/")

    def _origin(self, exchange: Exchange) -> tuple[bytes, bytes]:
        """Host and prefix as the client knows them."""
        head = exchange.head
        host = head.header(b"host")
        if not exchange.sender.is_proxied:
            return host, b""
        prefix = head.header(b"x-forwarded-prefix").rpartition(b",")[2].strip().rstrip(b"/")
        forwarded = head.header(b"x-forwarded-host").rpartition(b",")[2].strip()
        if not forwarded and host == self._own_place(exchange):
            if not self._has_reported:
                self._has_reported = True
                self._report(
                    "the proxy does not say by which name clients come, so that they can't be told where contents are:"
                    " let it pass on Host (in nginx: proxy_set_header Host $http_host)"
                )
            return b"", b""
        return forwarded or host, prefix if _PREFIX(prefix) else b""

    def _own_place(self, exchange: Exchange) -> bytes:
        """The host that a proxy sends that only knows where we listen."""
        address, port = exchange.stream.local_address, exchange.stream.local_port
        address = plain_address(address) if address else ""
        name = f"[{address}]" if ":" in address else address
        return f"{name}:{port}".encode() if address else b"localhost"
