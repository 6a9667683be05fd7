"""Addresses in P2P networks."""

from __future__ import annotations

import pytest

from annexshell.model.p2p import TOR, P2PAddress, is_network, parse_p2p_url, parse_token


@pytest.mark.parametrize(
    ("url", "network", "place"),
    [
        (b"p2p-annex::iroh:endpoint:1", b"iroh", b"endpoint:1"),
        (b"p2p-annex::unix:/a b/c", b"unix", b"/a b/c"),
        (b"tor-annex::abc.onion:29557", TOR, b"abc.onion:29557"),
    ],
)
def test_urls(url: bytes, network: bytes, place: bytes) -> None:
    assert parse_p2p_url(url) == P2PAddress(network, place)
    assert P2PAddress(network, place).url == url


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"ssh://host/",
        b"p2p-annex::",
        b"p2p-annex::iroh",
        b"p2p-annex::iroh:",
        b"p2p-annex:::x",
        b"p2p-annex::../x:y",
        b"p2p-annex::a b:y",
        b"p2p-annex::iroh:--option",
        b"p2p-annex::iroh:two\nlines",
        b"tor-annex::abc.onion",
        b"tor-annex::abc.onion:0",
        b"tor-annex::abc.onion:70000",
        b"tor-annex::abc.onion:1x",
        b"tor-annex::h\xc3\xa9.onion:1",
        b"tor-annex::a/b.onion:1",
        b"tor-annex:::1",
    ],
)
def test_what_is_none(url: bytes) -> None:
    assert parse_p2p_url(url) is None


def test_names_of_files() -> None:
    assert P2PAddress(b"test", b"peer-a").file_name == b"test%3Apeer%2Da"
    assert P2PAddress(TOR, b"abc.onion:1").file_name == b"abc%2Eonion"
    assert P2PAddress(b"net", b"\xff/").file_name == b"net%3A%FF%2F"


def test_onions() -> None:
    assert P2PAddress(TOR, b"abc.onion:29557").onion == ("abc.onion", 29557)


def test_networks() -> None:
    assert all(map(is_network, (b"iroh", b"my-net.2")))
    assert not any(map(is_network, (b"", b"a/b", b"a:b", b"a b", b"a\n")))


def test_tokens() -> None:
    assert parse_token(b"ABCdef12") == b"abcdef12"
    assert [parse_token(text) for text in (b"", b"a b", b"a-b", b"a\n")] == [b""] * 4
