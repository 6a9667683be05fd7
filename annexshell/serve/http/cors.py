"""Scripts in browsers, of pages from elsewhere (Cross-Origin Resource Sharing, https://fetch.spec.whatwg.org).

A script sends its user's name and password by itself, in Authorization. What the browser knows of passwords is never
asked for (no Access-Control-Allow-Credentials), so that `*` gives nobody more than he has anyway.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from annexshell.serve.http.exchange import Exchange

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
_VARY = (("Vary", "Origin"),)


class Origins:
    """Answers requests as `handle` does, and lets scripts of pages from `allowed` origins see the answers, if there are
    any. Other pages can't change anything, which they otherwise could without seeing the answer: by a form, with the
    password that the browser remembers."""

    def __init__(self, allowed: Collection[str], handle: Callable[[Exchange], None]) -> None:
        self._allowed = allowed
        self._handle = handle

    def handle(self, exchange: Exchange) -> None:
        origin = exchange.head.header(b"origin").decode("latin-1")
        if ANY in self._allowed:
            allowed = ANY
        elif self._allowed:
            allowed = origin if origin.lower() in self._allowed else ""
            exchange.headers += _VARY
        else:
            allowed = ""
        if allowed and origin:
            exchange.headers += (("Access-Control-Allow-Origin", allowed), _EXPOSED)
            if exchange.head.method == b"OPTIONS" and exchange.head.header(b"access-control-request-method"):
                exchange.respond(204, b"", _PREFLIGHT)
                return
        elif origin and exchange.head.method == b"POST" and not _is_same_site(exchange, origin):
            exchange.error(403, "pages of that origin may not do this: it is not among those of --cors-origin")
            return
        self._handle(exchange)


def _is_same_site(exchange: Exchange, origin: str) -> bool:
    """Whether a page of our own asks, as the browser says; if it doesn't say, as far as we know our name."""
    site = exchange.head.header(b"sec-fetch-site")
    if site:
        return site in (b"same-origin", b"none")
    host = exchange.head.header(b"host").decode("latin-1")
    return origin.lower().partition("://")[2] == host.lower()
