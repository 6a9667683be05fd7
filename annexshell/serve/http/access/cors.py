"""Scripts in browsers, of pages from elsewhere (Cross-Origin Resource Sharing, https://fetch.spec.whatwg.org).

A script sends its user's name and password by itself, in Authorization. What the browser knows of passwords is never
asked for (no Access-Control-Allow-Credentials), so that `*` gives nobody more than they have anyway.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import ip_address

from annexshell.serve.http.access.trusted import plain_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from annexshell.serve.http.http1.exchange import Exchange

ANY = "*"
_EXPOSED = (
    "Access-Control-Expose-Headers",
    "X-git-annex-data-length, ETag, Content-Range, Content-Length, Accept-Ranges",
)
_PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, HEAD, POST"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Content-Type, X-git-annex-data-length, Range, If-None-Match, If-Range",
    ),
    ("Access-Control-Max-Age", "7200"),
)
_BROWSER = b"Mozilla/"  # as all of them begin
_PROXIED = (b"x-forwarded-for", b"x-real-ip", b"forwarded", b"via")
_VARY = (("Vary", "Origin"),)


class Origins:
    """Answers requests as `handle` does, and lets scripts of pages from `allowed` origins see the answers, if there are
    any. Other pages can't change anything, which they otherwise could without seeing the answer: by a form, with the
    password that the browser remembers."""

    def __init__(self, allowed: Collection[str], handle: Callable[[Exchange], None]) -> None:
        self._allowed = allowed
        self._handle = handle
        self._names = {_name(origin.partition("://")[2]) for origin in allowed} | {socket.gethostname().lower()}

    def handle(self, exchange: Exchange) -> None:
        head = exchange.head
        origin = head.header(b"origin").decode("latin-1")
        if ANY in self._allowed:
            allowed = ANY
        elif self._allowed:
            allowed = origin if origin.lower() in self._allowed else ""
            exchange.headers += _VARY
        else:
            allowed = ""
        if allowed and origin:
            exchange.headers += (("Access-Control-Allow-Origin", allowed), _EXPOSED)
            if head.method == b"OPTIONS" and head.header(b"access-control-request-method"):
                exchange.respond(204, b"", _PREFLIGHT)
                return
        elif not allowed and self._is_led_astray(exchange, origin):
            exchange.error(403, "this server does not know the name by which a web page has reached it")
            return
        elif head.method == b"POST" and not self._is_own(exchange, origin):
            exchange.error(403, "pages of that origin may not do this: it is not among those of --cors-origin")
            return
        self._handle(exchange)

    def _is_led_astray(self, exchange: Exchange, origin: str) -> bool:
        """Whether a browser asks that takes us for another server: whoever owns a name can have it lead here, and then
        is of our own origin for browsers. Behind a proxy any name may be right."""
        head = exchange.head
        is_browser = origin or head.header(b"sec-fetch-site") or head.header(b"user-agent").startswith(_BROWSER)
        if not is_browser or any(map(head.header, _PROXIED)):
            return False
        host = head.header(b"host").decode("latin-1")
        return not exchange.sender.is_proxied and not self._knows(host) and _is_loopback(exchange.stream.local_address)

    def _is_own(self, exchange: Exchange, origin: str) -> bool:
        """Whether a page of our own asks, as the browser says; if it doesn't say, as far as we know our name. What is
        no browser names no origin."""
        site = exchange.head.header(b"sec-fetch-site")
        if site:
            return site in (b"same-origin", b"none")
        if not origin:
            return True
        host = exchange.head.header(b"host").decode("latin-1")
        is_same = origin.lower().partition("://")[2] == host.lower()
        return is_same and (exchange.sender.is_secure or self._knows(host))

    def _knows(self, host: str) -> bool:
        """Whether nobody else can have that name: an address stands for itself."""
        name = _name(host)
        return name in self._names or name in ("", "localhost") or name.endswith(".localhost") or _is_address(name)


def _name(host: str) -> str:
    """A host without its port, in lower case, and without the brackets of an address."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=100)
def _is_loopback(address: str) -> bool:
    return bool(address) and ip_address(plain_address(address)).is_loopback
