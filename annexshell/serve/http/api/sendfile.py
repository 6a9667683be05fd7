"""Objects that the reverse proxy in front sends, because a header of our answer tells it to: X-Accel-Redirect (nginx)
or X-Sendfile (Apache, lighttpd).

Unlike us, the proxy can't hold back the last byte of an object that changes while it is sent. So this is only for
objects that nobody may write to, and not where annex.thin makes an object the very file that a user may edit. An object
that is removed meanwhile is sent to its end, since the proxy has it open; one that is truncated is sent short, and the
client sees that.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.port import Reading
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.request import RequestRepository


def delegated(exchange: Exchange, lent: RequestRepository, reading: Reading, is_part: bool) -> tuple[str, str] | None:
    """The header that has the proxy send the content, or the part of it that the request's Range says; None if we have
    to."""
    how = lent.settings.sendfile
    if how is None or reading.path is None or not exchange.sender.is_proxied or exchange.head.method != b"GET":
        return None
    if not lent.is_own or lent.is_thin:
        return None
    # The proxy goes by the request's conditions as it understands them. We have to understand the same.
    if bool(exchange.head.header(b"range")) != is_part or exchange.head.header(b"if-range"):
        return None
    return how.header(reading.path)
