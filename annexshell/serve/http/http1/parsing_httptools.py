"""Heads of requests as httptools reads them, which is llhttp, in C."""

from __future__ import annotations

from types import SimpleNamespace

import httptools

from annexshell.serve.http.http1.heads import Head, Malformed

_OLDEST = (0, 6, 4)  # that refuses what could smuggle requests past a proxy

if tuple(int(part) for part in httptools.__version__.split(".") if part.isdigit()) < _OLDEST:
    raise ImportError(f"httptools {httptools.__version__} is too old")


def read_head(raw: bytes) -> Head:
    """The head that these bytes are, up to the empty line at their end. Raises Malformed."""
    head = Head()
    urls: list[bytes] = []
    calls = SimpleNamespace(on_url=urls.append, on_header=head.add)
    parser = httptools.HttpRequestParser(calls)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # an offer that is never taken up: what follows is the next request, or refused
    except (httptools.HttpParserError, httptools.HttpParserCallbackError) as error:
        cause = error.__context__
        raise cause if isinstance(cause, Malformed) else Malformed(400, f"bad request: {error}") from None
    head.complete(parser.get_method(), b"".join(urls), parser.get_http_version())
    return head
