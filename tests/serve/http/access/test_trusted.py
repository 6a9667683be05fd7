"""Whom to believe who a client is."""

from __future__ import annotations

import pytest

from annexshell.errors import BadUsage
from annexshell.serve.http.access.trusted import TrustedProxies, plain_address
from annexshell.serve.http.http1.heads import Head
from annexshell.serve.http.http1.parsing_httptools import read_head

PROXIES = ("127.0.0.1", "10.0.0.0/8", "fd00::/8")


def head(*lines: str) -> Head:
    return read_head("\r\n".join(["GET / HTTP/1.1", *lines, "", ""]).encode("latin-1"))


@pytest.mark.parametrize(
    ("peer", "hops", "client"),
    [
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.9", "192.0.2.1", "192.0.2.9"),  # anybody can write the header
        ("127.0.0.1", "1.1.1.1, 192.0.2.1", "192.0.2.1"),  # the first was made up by the client
        ("127.0.0.1", "192.0.2.1, 10.1.2.3,10.0.0.1", "192.0.2.1"),
        ("127.0.0.1", "10.1.2.3, 10.0.0.1", "10.1.2.3"),
        ("127.0.0.1", "192.0.2.1, unknown, 10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "192.0.2.1:1234", "192.0.2.1"),
        ("127.0.0.1", "[2001:db8::1]:1234", "2001:db8::1"),
        ("127.0.0.1", "2001:DB8:0::1, fd00::2", "2001:db8::1"),
        ("127.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
        ("10.9.9.9", "", "10.9.9.9"),
        ("127.0.0.1", "x" * 1000, "127.0.0.1"),
        ("127.0.0.1", "192.0.2.1" + ", 10.0.0.1" * 100, "10.0.0.1"),
        ("127.0.0.1", "caf\xe9", "127.0.0.1"),
        ("", "192.0.2.1", ""),
    ],
)
def test_the_rightmost_that_is_none_of_ours(peer: str, hops: str, client: str) -> None:
    lines = [f"X-Forwarded-For: {hops}"] if hops else []
    assert TrustedProxies(PROXIES).sender(peer, False, head(*lines)).address == client


def test_each_proxy_may_add_a_line() -> None:
    lines = ("X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.1")
    assert TrustedProxies(PROXIES).sender("127.0.0.1", False, head(*lines)).address == "192.0.2.1"


@pytest.mark.parametrize(
    ("value", "before", "secure"),
    [
        ("https", False, True),
        ("HTTPS", False, True),
        ("http", True, False),
        ("http, https", False, True),
        ("https, http", False, False),
        ("", True, True),
        ("", False, False),
    ],
)
def test_whether_it_came_by_https(value: str, before: bool, secure: bool) -> None:
    request = head(*([f"X-Forwarded-Proto: {value}"] if value else []))
    assert TrustedProxies(PROXIES).sender("10.0.0.1", before, request).is_secure is secure
    assert TrustedProxies(PROXIES).sender("192.0.2.1", before, request).is_secure is before
    assert TrustedProxies().sender("10.0.0.1", before, request).is_secure is before


def test_a_unix_socket_is_believed_when_asked_for() -> None:
    request = head("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")
    proxies = TrustedProxies(["unix"])
    for peer, address, is_proxied in (("", "192.0.2.1", True), ("10.0.0.1", "10.0.0.1", False)):
        sender = proxies.sender(peer, False, request)
        assert (sender.address, sender.is_secure, sender.is_proxied) == (address, is_proxied, is_proxied)


@pytest.mark.parametrize("place", ["", "proxy", "10.0.0.1/8", "10.0.0.0/33", "UNIX"])
def test_what_is_no_address(place: str) -> None:
    with pytest.raises(BadUsage, match="--trust-proxy takes an address, a network, or unix"):
        TrustedProxies([place])


def test_one_way_to_write_an_address() -> None:
    assert plain_address("::ffff:127.0.0.1") == "127.0.0.1"
    assert plain_address("2001:DB8::0:1") == "2001:db8::1"
    assert plain_address("fe80::1%eth0") == "fe80::1%eth0"
