"""The vocabulary of git-annex's HTTP API."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annexshell.errors import BadResponse
from annexshell.wire import httpapi

UUID = b"22222222-2222-4222-8222-222222222222"


# Values (as real clients were seen to send them)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"SHA256--x", b"SHA256--x"),
        (b"[foo]", b"[W2Zvb10=]"),
        (b"[foo", b"[foo"),
        (b"WORM-s3-m1--\xce", b"[V09STS1zMy1tMS0tzg==]"),
        ("é".encode(), "é".encode()),
        (b"[]", b"[W10=]"),
        (b"", b""),
    ],
)
def test_values(value: bytes, text: bytes) -> None:
    assert httpapi.encode_value(value) == text
    assert httpapi.decode_value(text) == value


@given(st.binary())
@example(b"[")
@example(b"]")
def test_any_value_comes_back(value: bytes) -> None:
    text = httpapi.encode_value(value)
    text.decode("utf-8")
    assert httpapi.decode_value(text) == value
    if text != value:
        assert httpapi.decode_value(text.replace(b"=", b"")) == value


@pytest.mark.parametrize("text", [b"[!!]", b"[Zm9v!]", b"[Z]", b"[Zm9v=Zm9v]", b"[+/+/]", b"[Zm9]"])
def test_brackets_around_something_else(text: bytes) -> None:
    with pytest.raises(BadResponse):
        httpapi.decode_value(text)


# Urls


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("http://host:1", b""),
        ("http://host:1/", b""),
        ("http://host:1/git-annex", b""),
        ("http://host:1/git-annex/?x=y#z", b""),
        (f"http://host:1/git-annex/{UUID.decode()}", b""),
        ("http://host:1/git-annex/another", b"/git-annex/another"),
        ("http://host:1/prefix", b"/prefix"),
        ("http://host:1/prefix/git-annex/", b"/prefix/git-annex"),
        ("http://host:1/a%20b/%C3%A9/c+d", b"/a%20b/%C3%A9/c+d"),
    ],
)
def test_paths(url: str, prefix: bytes) -> None:
    parsed = httpapi.parse_url(url.encode(), UUID)
    assert (parsed.secure, parsed.host, parsed.port, parsed.prefix) == (False, "host", 1, prefix)
    assert parsed.authority == b"host:1"
    assert parsed.password is None


def test_hosts_and_users() -> None:
    parsed = httpapi.parse_url(b"https://a%40b:c:%3F@[::1]/x", UUID)
    assert (parsed.secure, parsed.host, parsed.port) == (True, "::1", 9417)
    assert parsed.authority == b"[::1]:9417"
    assert (parsed.user, parsed.password) == (b"a@b", b"c:?")
    assert httpapi.parse_url("http://bücher.example/".encode(), UUID).host == "xn--bcher-kva.example"
    assert httpapi.parse_url(b"http://:@host/", UUID).password == b""


@pytest.mark.parametrize(
    "url",
    [
        b"ftp://host/",
        b"http://",
        b"http:///x",
        b"http://host:99999/",
        b"http://host:x/",
        b"http://\xff/",
        b"http://[::1/",
    ],
)
def test_urls_that_lead_nowhere(url: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        httpapi.parse_url(url, UUID)


def test_requests() -> None:
    parameters = [("key", b"WORM--a b&c=d/e+f%\xff"), ("clientuuid", b"[x]")]
    assert httpapi.target(b"/p", b"u/u", 4, "put", parameters) == (
        b"/p/git-annex/u%2Fu/v4/put?key=%5BV09STS0tYSBiJmM9ZC9lK2Yl_w%3D%3D%5D&clientuuid=%5BW3hd%5D"
    )
    assert httpapi.target(b"", UUID, 0, httpapi.key_endpoint(b"URL--http://x/?#"), []) == (
        b"/git-annex/%b/v0/key/URL--http%%3A%%2F%%2Fx%%2F%%3F%%23" % UUID
    )


def test_authorization() -> None:
    assert httpapi.basic_authorizations(b"rw", b"secret") == [b"Basic cnc6c2VjcmV0"]
    assert httpapi.basic_authorizations(b"rw", b"~~~?") == [b"Basic cnc6fn5-Pw==", b"Basic cnc6fn5+Pw=="]


# Answers


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000, b'"x"', b"1"])
def test_bodies_that_are_no_answers(body: bytes) -> None:
    with pytest.raises(BadResponse):
        httpapi.parse_answer(body)


def test_answers() -> None:
    answer = httpapi.parse_answer(b'{"stored": true, "offset": 12, "lockid": "x", "plusuuids": ["a", "[Yg==]"]}')
    assert httpapi.flag(answer, "stored") is True
    assert httpapi.number(answer, "offset") == 12
    assert httpapi.text(answer, "lockid") == b"x"
    assert httpapi.plus_uuids(answer) == [b"a", b"b"]
    assert httpapi.plus_uuids({}) == []


@pytest.mark.parametrize("value", [None, 1, 0, "true", [], {}])
def test_flags_that_are_none(value: object) -> None:
    for answer in ({}, {"stored": value}):
        with pytest.raises(BadResponse):
            httpapi.flag(answer, "stored")


@pytest.mark.parametrize("value", [None, True, False, -1, 1.5, 1e300, 1 << 63, float("inf"), "1", [], {}])
def test_numbers_that_are_none(value: object) -> None:
    for answer in ({}, {"offset": value}):
        with pytest.raises(BadResponse):
            httpapi.number(answer, "offset")


@pytest.mark.parametrize("value", [None, "", 1, [], {}])
def test_texts_that_are_none(value: object) -> None:
    for answer in ({}, {"lockid": value}):
        with pytest.raises(BadResponse):
            httpapi.text(answer, "lockid")


@pytest.mark.parametrize("uuid", ["", " ", "a b", "a\nb", "[YQpi]", "[IA==]", "[]", "[!]", 1, None, ["a"]])
def test_uuids_that_would_disturb_a_line(uuid: object) -> None:
    for uuids in ([uuid], ["a", uuid]):
        with pytest.raises(BadResponse):
            httpapi.plus_uuids(httpapi.parse_answer(json.dumps({"plusuuids": uuids}).encode()))
    with pytest.raises(BadResponse):
        httpapi.plus_uuids({"plusuuids": "a"})
