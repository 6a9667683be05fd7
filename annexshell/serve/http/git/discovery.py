"""`URL/config`: by what stands there, git-annex finds the API of a repository whose url is git's (Remote/Git.hs).

It is written here and never the repository's own. Clients keep what it says for ever, so that it says where they are to
go only if that is certain.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.places import Place

HEADERS = (
    ("Content-Type", "text/plain;charset=utf-8"),
    ("Cache-Control", "no-cache"),
    ("Vary", "Host, X-Forwarded-Host, X-Forwarded-Proto"),
    ("X-Content-Type-Options", "nosniff"),
)
# A name or address, and perhaps a port. What else a client may send has no place in a configuration.
_NAME = rb"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]"
_HOST = re.compile(rb"(%b)(?::([0-9]{1,5}))?" % _NAME).fullmatch


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


def api_url(exchange: Exchange, base: bytes) -> bytes:
    """The url of the API at the host by which the client has reached us, with the port, since without one clients go
    to another; empty if the host is none."""
    found = _HOST(exchange.head.header(b"host"))
    if found is None:
        return b""
    scheme, usual = (b"annex+https", b"443") if exchange.secure else (b"annex+http", b"80")
    return b"%b://%b:%b%b" % (scheme, found[1], found[2] or usual, base)
