"""The sender of a request, as far as the connection and proxies tell."""

from __future__ import annotations


class Sender:
    """`address` is the client's, empty for one at a Unix socket. `is_secure` says whether nobody could listen in, and
    `is_proxied` whether a proxy that we trust has passed the request on."""

    __slots__ = ("address", "is_proxied", "is_secure")

    def __init__(self, address: str, is_secure: bool, is_proxied: bool = False) -> None:
        self.address = address
        self.is_secure = is_secure
        self.is_proxied = is_proxied
