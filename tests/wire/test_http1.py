"""HTTP/1.1, as strictly as it has to be."""

from __future__ import annotations

import pytest

from annexshell.errors import BadResponse
from annexshell.wire.http1 import CHUNKED, UNTIL_CLOSE, ResponseHead, parse_chunk_size, parse_head, request_head

OK = b"HTTP/1.1 200 OK"


def head(*fields: bytes, status: bytes = OK) -> ResponseHead:
    return parse_head([status, *fields])


def test_requests() -> None:
    assert request_head(b"GET", b"/x?y", [(b"Host", b"h:1")]) == b"GET /x?y HTTP/1.1\r\nHost: h:1\r\n\r\n"


def test_status_lines() -> None:
    assert (head().status, head().reason) == (200, "OK")
    assert head(status=b"HTTP/1.0 404 ").reason == ""
    assert head(status=b"HTTP/1.1 507").status == 507
    strange = head(status=b"HTTP/1.1 500 \x1b[31mred\xff\r" + b"x" * 1000)
    assert strange.reason.isprintable()
    assert len(strange.reason) == 200


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"AUTH-SUCCESS x",
        b"SSH-2.0-OpenSSH",
        b"HTTP/2 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/1.1",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 -20 x",
        b"HTTP/1.1 099 x",
    ],
)
def test_what_is_no_status_line(line: bytes) -> None:
    with pytest.raises(BadResponse):
        parse_head([line])


def test_fields() -> None:
    found = head(b"X-Git-Annex-Data-Length: \t12 ", b"Set-Cookie: a", b"set-cookie: b", b"Empty:")
    assert found.field(b"x-git-annex-data-length") == b"12"
    assert found.values(b"set-cookie") == [b"a", b"b"]
    assert found.field(b"empty") == found.field(b"absent") == b""
    with pytest.raises(BadResponse):
        found.field(b"set-cookie")


@pytest.mark.parametrize(
    "line", [b"no colon", b": x", b"a b: c", b"a : b", b" folded: x", b"\tx", b"a: \0", b"a: b\rc"]
)
def test_what_is_no_field(line: bytes) -> None:
    with pytest.raises(BadResponse):
        head(line)


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ([], UNTIL_CLOSE),
        ([b"Content-Length: 0"], 0),
        ([b"Content-Length: 12", b"content-length: 12"], 12),
        ([b"Content-Length: " + b"9" * 18], 10**18 - 1),
        ([b"Transfer-Encoding: Chunked"], CHUNKED),
        ([b"Content-Encoding: identity", b"Content-Length: 1"], 1),
    ],
)
def test_lengths_of_bodies(fields: list[bytes], length: int) -> None:
    assert head(*fields).body_length == length
    assert head(*fields, status=b"HTTP/1.1 204 No Content").body_length == 0


@pytest.mark.parametrize(
    "fields",
    [
        [b"Content-Length: 1", b"Content-Length: 2"],
        [b"Content-Length: -1"],
        [b"Content-Length: 0x1"],
        [b"Content-Length: 1, 1"],
        [b"Content-Length: " + b"9" * 19],
        [b"Content-Length: \xc2\xb2"],
        [b"Content-Length: 1", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Content-Encoding: gzip", b"Content-Length: 1"],
    ],
)
def test_bodies_that_may_end_anywhere(fields: list[bytes]) -> None:
    with pytest.raises(BadResponse):
        head(*fields).body_length  # noqa: B018


def test_connections_that_are_kept() -> None:
    old = b"HTTP/1.0 200 OK"
    assert head().keeps_connection
    assert head(b"Connection: Keep-Alive").keeps_connection
    assert not head(b"Connection: foo, Close").keeps_connection
    assert not head(b"Connection: foo", b"Connection: close").keeps_connection
    assert not head(status=old).keeps_connection
    assert head(b"Connection: keep-alive", status=old).keeps_connection


def test_chunks() -> None:
    assert parse_chunk_size(b"7FF0") == 32752
    assert parse_chunk_size(b"0006 ; name=value") == 6
    assert parse_chunk_size(b"f" * 15) == (1 << 60) - 1


@pytest.mark.parametrize("line", [b"", b";x", b"-1", b"+1", b"0x1", b"1_0", b" 1", b"1 1", b"g", b"f" * 16])
def test_what_is_no_chunk(line: bytes) -> None:
    with pytest.raises(BadResponse):
        parse_chunk_size(line)
