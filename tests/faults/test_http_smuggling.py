"""Requests whose end two servers could see in different places: each is refused with the end of its connection, so that
what follows it on the connection is not answered. What is odd but has one meaning only is answered, as what follows is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.repo.places import make_repo
from tests.support.census import WatchedServer

_FOLLOWING = b"GET /healthz HTTP/1.1\r\nX: smuggled\r\n\r\n"
_EMPTY = b"0\r\n\r\n"
_CHUNK = b"3\r\nabc\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    """One for all: none of these requests may harm it."""
    place = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(place))
        patch.setenv("GIT_CONFIG_COUNT", "2")
        for number, name in enumerate(("user.name", "user.email")):
            patch.setenv(f"GIT_CONFIG_KEY_{number}", name)
            patch.setenv(f"GIT_CONFIG_VALUE_{number}", "test@example.com")
        made = WatchedServer(make_repo(place / "repo").path, "--wideopen", "--cpus=1", counts=place / "counts")
    yield made
    assert made.stop() == ""


def post(*headers: bytes, body: bytes = _EMPTY, version: bytes = b"1.1") -> bytes:
    lines = [b"POST /nothing HTTP/" + version, b"Host: x", *headers, b"", b""]
    return b"\r\n".join(lines) + body


def encoded(value: bytes, name: bytes = b"Transfer-Encoding: ") -> bytes:
    return post(name + value)


def chunks(data: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=data)


def long(value: bytes, name: bytes = b"Content-Length: ") -> bytes:
    return post(name + value, body=b"abc")


def get(rest: bytes, line: bytes = b"GET /healthz HTTP/1.1\r\n") -> bytes:
    return line + rest


REFUSED = [
    # Two lengths, or one that is not clear
    post(b"Transfer-Encoding: chunked", b"Content-Length: 4"),
    post(b"Content-Length: 4", b"Transfer-Encoding: chunked"),
    post(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    post(b"Content-Length: 3", b"content-length: 3", body=b"abc"),
    post(b"Content-Length: 3", b"Content-Length: 0", body=b"abc"),
    post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    post(b"Transfer-Encoding: chunked", b"transfer-encoding: x"),
    *map(long, (b"+3", b"-1", b"0x3", b"3\0", b"3;", b"3.0", b"3e0", b"", b"3 3", b"3,3", b"\xd9\xa3")),
    long(b"18446744073709551619"),
    # Encodings that only look like the one we know
    *map(encoded, (b"chunked, identity", b"identity, chunked", b"identity", b"xchunked", b"chunked,", b",chunked")),
    *map(encoded, (b'"chunked"', b"chunked;q=1", b"\x0bchunked", b"chunked\0", b"")),
    encoded(b"chunked", b"Transfer-Encoding : "),
    encoded(b"chunked", b" Transfer-Encoding: "),
    encoded(b"chunked", b"Transfer-Encoding\0: "),
    encoded(b"chunked", b"Transfer_Encoding: "),
    post(b"Transfer-Encoding: chunked", version=b"0.9"),
    post(b"Transfer-Encoding: chunked", version=b"1.0"),
    # Folded headers, and other ends of lines
    encoded(b"chunked", b"X: y\r\n\tTransfer-Encoding: "),
    encoded(b"chunked", b"Transfer-Encoding:\r\n "),
    encoded(b"chunked", b"X: y\rTransfer-Encoding: "),
    encoded(b"chunked", b"X: y\nTransfer-Encoding: "),
    long(b"3", b"Content-Length:\r\n "),
    long(b"3", b"Content-Length : "),
    get(b"Host: x\n\n", b"GET /healthz HTTP/1.1\n"),
    get(b"Host: x\n\r\n"),
    get(b"Host: x\r\n\n"),
    get(b"X: y\r\n\r\n", b"GET /healthz HTTP/1.1\r"),
    # Chunks
    *map(chunks, (b"3\nabc\n0\n\n", b"3\r\nabc0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3 \r\nabc\r\n" + _EMPTY)),
    *map(chunks, (b" " + _CHUNK, b"0x" + _CHUNK, b"-" + _CHUNK, b"+" + _CHUNK, b"1000000000000000" + _CHUNK)),
    *map(chunks, (b'3;a="b\r\nabc\r\n' + _EMPTY, b"3;\nabc\r\n" + _EMPTY, b"3;a\nb\r\nabc\r\n" + _EMPTY)),
    *map(chunks, (b"\r\n" + _EMPTY, _CHUNK + b"\r\n" + _EMPTY, b"3\r\nabc\n" + _EMPTY, b"3\rabc\r0\r\r")),
    *map(chunks, (_CHUNK + b"0\r\nContent-Length: 5\r\n\r\n", _CHUNK + b"0\r\nX: y\n\r\n", _CHUNK + b"0\n\n")),
    # Lines that are no requests, and headers that are none
    *(get(b"\r\n", line + b"\r\n") for line in (b"GET\t/healthz\tHTTP/1.1", b" GET /healthz HTTP/1.1")),
    *(get(b"\r\n", line + b"\r\n") for line in (b"get /healthz HTTP/1.1", b"GET /healthz", b"GET x HTTP/1.1")),
    *(get(b"\r\n", b"GET /healthz %b\r\n" % end) for end in (b"HTTP/01.1", b"HTTP/1.11", b"http/1.1", b"HTTP/1.1 x")),
    get(b"\r\n", b"GET /healthz HTTP/2.0\r\n"),
    *(get(b"\r\n", b"GET /hea%clthz HTTP/1.1\r\n" % byte) for byte in (0, 127, 128)),
    *(get(header + b"\r\n\r\n") for header in (b"A", b": x", b"A: \0", b"A: \x7f", b"A b: x")),
]  # fmt: skip

ANSWERED = [
    *map(encoded, (b"\tchunked", b"CHUNKED", b"chunked")),
    *map(long, (b"3 ", b" 3", b"03", b"3\t")),
    chunks(b"0" * 30 + _CHUNK + _EMPTY),
    chunks(b"0003\r\nabc\r\n000\r\n\r\n"),
    chunks(b"3;a=b\r\nabc\r\n" + _EMPTY),
    get(b"\r\n", b"\r\n\r\nGET /healthz HTTP/1.1\r\n"),
    get(b"\r\n", b"GET * HTTP/1.1\r\n"),
    get(b"Content-Length: 3\r\n\r\nabc"),
    get(b"Content-Length: 3\r\n\r\nabc", b"HEAD /healthz HTTP/1.1\r\n"),
    get(b"Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc"),
]


def statuses(server: WatchedServer, request: bytes) -> list[int]:
    """What is answered to a request with another one behind it, up to the end of the connection."""
    with server.raw() as client:
        client.send(request + _FOLLOWING + b"GET /end HTTP/1.1\r\nConnection: close\r\n\r\n")
        return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", client.rest())]


def test_what_is_refused(server: WatchedServer) -> None:
    for request in REFUSED:
        found = statuses(server, request)
        # To an unknown header belongs no body: what is meant as one is the next request, and that is none.
        assert 200 not in found, request
        assert found[-1] in (400, 404, 501, 505), request
        assert len(found) == 1 + (b"Transfer_Encoding" in request), request


def test_what_is_answered(server: WatchedServer) -> None:
    for request in ANSWERED:
        first, *others = statuses(server, request)
        assert first in (200, 404), request
        assert others == [200, 404], request


def test_heads_have_no_bodies_that_others_could_take_for_answers(server: WatchedServer) -> None:
    paths = [
        "/",
        "/healthz",
        "/git-annex/x/key/WORM--x",
        "/git-annex/x/v4/put?key=WORM--x&clientuuid=x",
        "/git-annex/%",
    ]
    heads = "".join(f"HEAD {path} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" for path in paths).encode()
    with server.raw() as client:
        client.send(heads + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        answers = client.rest()
    assert answers.count(b"HTTP/1.1 ") == len(paths) + 1
    assert answers.endswith(b"\r\n\r\nok\n")
    assert re.findall(rb"\r\n\r\n(?!HTTP/1.1 )(.*)", answers) == [b"ok"]
