"""Requests out of bytes, with either library that reads heads, and both compared with each other and with httptools
reading everything."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import httptools
import pytest

from annexshell.serve.http.http1 import parsing_h11, parsing_httptools
from annexshell.serve.http.http1.heads import Head, Malformed
from annexshell.serve.http.http1.parsing import END, MORE, RequestParser

Reader = Callable[[bytes], Head]
LIBRARIES: dict[str, Reader] = {"httptools": parsing_httptools.read_head, "h11": parsing_h11.read_head}
HOST = b"Host: x\r\n"


@pytest.fixture(params=LIBRARIES)
def read_head(request: pytest.FixtureRequest) -> Reader:
    return LIBRARIES[request.param]


def events(read_head: Reader, *pieces: bytes) -> list[Any]:
    """What comes of bytes: what heads say, payload in one piece, "end", and a status for what is refused."""
    parser = RequestParser(read_head)
    found: list[Any] = []
    for piece in pieces:
        parser.feed(piece)
        try:
            while (event := parser.next()) is not MORE:
                note(found, event)
        except Malformed as error:
            with pytest.raises(Malformed):
                parser.next()
            return [*found, error.status]
    return found


def note(found: list[Any], event: object) -> None:
    if isinstance(event, Head):
        found.append((event.method, event.raw_target, event.version, event.length, event.keep_alive, event.headers))
    elif event is END:
        found.append("end")
    elif found and isinstance(event, bytes) and isinstance(found[-1], bytes):
        found[-1] += event
    else:
        found.append(event)


def single(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


GET = b"GET /a HTTP/1.1\r\n" + HOST
POST = b"POST /a HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GET + b"\r\n", [(b"GET", b"/a", "1.1", 0, True, {b"host": b"x"}), "end"]),
        (b"\r\n\r\n" + GET + b"\r\n", [(b"GET", b"/a", "1.1", 0, True, {b"host": b"x"}), "end"]),
        (b"GET /a HTTP/1.0\r\n\r\n", [(b"GET", b"/a", "1.0", 0, False, {}), "end"]),
        (
            b"GET /a HTTP/1.0\r\nCONNECTION: x, Keep-Alive\r\n\r\n",
            [(b"GET", b"/a", "1.0", 0, True, {b"connection": b"x, Keep-Alive"}), "end"],
        ),
        (
            GET + b"Connection: close\r\nConnection: keep-alive\r\n\r\n",
            [(b"GET", b"/a", "1.1", 0, False, {b"host": b"x", b"connection": b"close,keep-alive"}), "end"],
        ),
        (
            GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" + GET + b"\r\n",
            [
                (b"GET", b"/a", "1.1", 0, True, {b"host": b"x", b"connection": b"upgrade", b"upgrade": b"h2c"}),
                "end",
                (b"GET", b"/a", "1.1", 0, True, {b"host": b"x"}),
                "end",
            ],
        ),
        (
            POST + b"Content-Length: 5\t \r\n\r\nhello" + GET + b"\r\n",
            [
                (b"POST", b"/a", "1.1", 5, True, {b"host": b"x", b"content-length": b"5"}),
                b"hello",
                "end",
                (b"GET", b"/a", "1.1", 0, True, {b"host": b"x"}),
                "end",
            ],
        ),
        (
            CHUNKED + b"5\r\nhello\r\n00C\r\n and good day\r\n0\r\n\r\n",
            [
                (b"POST", b"/a", "1.1", None, True, {b"host": b"x", b"transfer-encoding": b"chunked"}),
                b"hello and good da",
                400,
            ],
        ),
        (
            CHUNKED + b'5;a;b=c;d="e ;f"\r\nhello\r\n00C\r\n and goodbye\r\n00\r\nA: b\r\n\r\n' + GET + b"\r\n",
            [
                (b"POST", b"/a", "1.1", None, True, {b"host": b"x", b"transfer-encoding": b"chunked"}),
                b"hello and goodbye",
                "end",
                (b"GET", b"/a", "1.1", 0, True, {b"host": b"x"}),
                "end",
            ],
        ),
        (
            GET + b"X-Forwarded-For: 1.1.1.1\r\nA: b \r\nX-Forwarded-For: 2.2.2.2\r\na:\xff\r\n\r\n",
            [
                (
                    b"GET",
                    b"/a",
                    "1.1",
                    0,
                    True,
                    {b"host": b"x", b"x-forwarded-for": b"1.1.1.1,2.2.2.2", b"a": b"\xff"},
                ),
                "end",
            ],
        ),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_requests(read_head: Reader, data: bytes, expected: list[Any]) -> None:
    assert events(read_head, data) == expected
    assert events(read_head, *single(data)) == expected


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400),
        (b"Content-Length: 3\r\nContent-Length: 3\r\n", 400),
        (b"Content-Length: 3\r\ncontent-length: 4\r\n", 400),
        (b"Content-Length: 3, 3\r\n", 400),
        (b"Content-Length: 3,\r\n", 400),
        (b"Content-Length: +3\r\n", 400),
        (b"Content-Length: -3\r\n", 400),
        (b"Content-Length: 0x3\r\n", 400),
        (b"Content-Length: 3 3\r\n", 400),
        (b"Content-Length: \xb3\r\n", 400),
        (b"Content-Length:\r\n", 400),
        (b"Content-Length: 99999999999999999999\r\n", 400),
        (b"Content-Length: " + b"1" * 5000 + b"\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: chunked, gzip\r\n", 0),
        (b"Transfer-Encoding: xchunked\r\n", 0),
        (b"Transfer-Encoding:\x0bchunked\r\n", 400),
        (b"Transfer-Encoding: chunked\x00\r\n", 400),
        (b"Transfer-Encoding : chunked\r\n", 400),
        (b"Transfer-Encoding\r\n : chunked\r\n", 400),
        (b" Transfer-Encoding: chunked\r\n", 400),
        (b"A: b\r\n\tTransfer-Encoding: chunked\r\n", 400),
        (b"A: b\nTransfer-Encoding: chunked\r\n", 400),
        (b"A: b\rTransfer-Encoding: chunked\r\n", 400),
        (b"A: b\r\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"\x00Transfer-Encoding: chunked\r\n", 400),
        (b"Content-Length\xa0: 3\r\n", 400),
        (b"Host: y\r\n", 400),
        (b"Nothing\r\n", 400),
        (b": nothing\r\n", 400),
        (b"A: \x7f\r\n", 400),
        (b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n", 501),
        (b"Connection: x, Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n", 501),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_headers_that_others_may_understand_otherwise(read_head: Reader, lines: bytes, status: int) -> None:
    data = POST + lines + b"\r\nabc"
    for said in (events(read_head, data), events(read_head, *single(data))):
        assert said == [status] if status else said in ([400], [501])  # httptools refuses some by itself


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/2.0\r\n" + HOST, 505),
        (b"CONNECT example.com:80 HTTP/1.1\r\n" + HOST, 501),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"GET / HTTP/1.1 \r\n" + HOST, 400),
        (b"GET /a b HTTP/1.1\r\n" + HOST, 400),
        (b"GET\t/ HTTP/1.1\r\n" + HOST, 400),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST, 400),
        (b"GET / HTTP/1.1\n" + HOST, 400),
        (b"GET / HTTP/11\r\n" + HOST, 400),
        (b"GET / http/1.1\r\n" + HOST, 400),
        (b"HTTP/1.1 200 OK\r\n" + HOST, 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
        (b"NONSENSE\r\n", 400),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n" + HOST, 414),
        (b"GET /" + b"a" * 200000, 414),
        (GET + b"X: " + b"y" * 200000 + b"\r\n", 431),
        (GET + b"X: " + b"y" * 200000, 431),
        (GET + b"".join(b"X%d: y\r\n" % i for i in range(200)), 431),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_heads_that_are_refused(read_head: Reader, data: bytes, status: int) -> None:
    assert events(read_head, data + b"\r\n") == [status]


def is_payload_next(parser: RequestParser) -> bool:
    return parser.payload_is_next


def strip(parser: RequestParser, data: bytes) -> bytes:
    buffer = memoryview(bytearray(data))
    return bytes(buffer[: parser.strip(buffer, len(data))])


def test_payload_is_stripped_without_being_fed(read_head: Reader) -> None:
    parser = RequestParser(read_head)
    parser.feed(POST + b"Content-Length: 10\r\n\r\nabc")
    assert isinstance(parser.next(), Head)
    assert not is_payload_next(parser), "some of it is here"
    assert parser.next() == b"abc"
    assert is_payload_next(parser)
    assert strip(parser, b"defg") == b"defg"
    assert strip(parser, b"hij" + CHUNKED + b"5\r\na") == b"hij"
    assert not is_payload_next(parser)
    assert parser.next() is END
    assert isinstance(parser.next(), Head)
    assert parser.next() == b"a"
    assert is_payload_next(parser)
    assert strip(parser, b"bcde\r\n3\r\nfgh\r\n2;x\r\nij\r\n0\r\n\r\n") == b"bcdefgh", "up to what is unusual"
    assert (parser.next(), parser.next(), parser.next()) == (b"ij", END, MORE)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunks_are_stripped_wherever_they_are_cut(read_head: Reader, size: int) -> None:
    pieces = [b"x" * n for n in (1, 2, 10, 17, 300)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    parser = RequestParser(read_head)
    parser.feed(CHUNKED)
    assert isinstance(parser.next(), Head)
    payload = b""
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        if is_payload_next(parser):
            payload += strip(parser, piece)
        else:
            parser.feed(piece)
        while not is_payload_next(parser) and (event := parser.next()) not in (MORE, END):
            assert isinstance(event, bytes)
            payload += event
    assert (payload, event) == (b"".join(pieces), END)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02", b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nA: \x00"])
def test_what_is_no_request_need_not_come_to_an_end(read_head: Reader, data: bytes) -> None:
    assert events(read_head, data) == [400]


@pytest.mark.parametrize("name", [b"X", b"X-Forwarded-For"])
def test_headers_that_are_repeated_count(read_head: Reader, name: bytes) -> None:
    assert events(read_head, GET + (name + b": y\r\n") * 199 + b"\r\n")[-1] == "end"
    assert events(read_head, GET + (name + b": y\r\n") * 200 + b"\r\n") == [431]


def test_line_ends_behind_a_body_are_no_request(read_head: Reader) -> None:
    parser = RequestParser(read_head)
    parser.feed(POST + b"Content-Length: 1\r\n\r\nx\r\n")
    assert isinstance(parser.next(), Head)
    assert (parser.next(), parser.next(), parser.has_begun) == (b"x", END, False)
    parser.feed(b"G")
    assert parser.has_begun


@pytest.mark.parametrize(
    "body",
    [
        b"1\nx\r\n0\r\n\r\n",
        b"1\r\nx\n0\r\n\r\n",
        b"1\r\nx\r\n0\n\r\n",
        b"1\r\nx\r\n0\r\n\n",
        b"1\r\nx\r\n0\r\n\r\r\n",
        b"1\r\nxXX0\r\n\r\n",  # what CVE-2025-43859 is about
        b"1\r\nxy\r\n0\r\n\r\n",
        b"1\r\nx\r\n\r\n0\r\n\r\n",
        b" 1\r\nx\r\n0\r\n\r\n",
        b"1 \r\nx\r\n0\r\n\r\n",
        b"1\t;a\r\nx\r\n0\r\n\r\n",
        b"0x1\r\nx\r\n0\r\n\r\n",
        b"+1\r\nx\r\n0\r\n\r\n",
        b"-1\r\nx\r\n0\r\n\r\n",
        b"1_0\r\nx\r\n0\r\n\r\n",
        b"\xd9\xa1\r\nx\r\n0\r\n\r\n",
        b"\r\nx\r\n0\r\n\r\n",
        b";a\r\nx\r\n0\r\n\r\n",
        b"10000000000000001\r\nx\r\n0\r\n\r\n",
        b"1;a\nb\r\nx\r\n0\r\n\r\n",
        b"1;a\rb\r\nx\r\n0\r\n\r\n",
        b'1;a="b\r\nx\r\n0\r\n\r\n',
        b"1;a\x00\r\nx\r\n0\r\n\r\n",
        b"1\r\nx\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
        b"1\r\nx\r\n0\r\nA: b\nC: d\r\n\r\n",
        b"1\r\nx\r\n0\r\nA: b\rC: d\r\n\r\n",
        b"1\r\nx\r\n0\r\nA: b\r\n c\r\n\r\n",
        b"1\r\nx\r\n0\r\nA : b\r\n\r\n",
        b"1\r\nx\r\n0\r\ncontent-Length: 3\r\n\r\n",
        b"1\r\nx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1;" + b"x" * 200000,
        b"1;" + b"x" * 200000 + b"\r\n",
        b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 30000,
    ],
    ids=lambda value: repr(value)[:50],
)
def test_chunks_that_others_may_understand_otherwise(body: bytes) -> None:
    read = parsing_httptools.read_head  # which has no part in this
    assert [event for event in events(read, CHUNKED + body)[1:] if not isinstance(event, bytes)] == [400]
    if len(body) < 1000:
        assert events(read, *single(CHUNKED + body))[-1] == 400


# How h11 is known to differ from httptools in a head. Neither changes where a request ends.


@pytest.mark.parametrize(
    ("data", "httptools_says", "h11_says"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "end", 400),  # the standard demands a Host
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "end", 400),
        (b"GET /\r\n\r\n", 505, 400),  # HTTP/0.9
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "end"),  # answered that there is no such method
        (b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400, "end"),  # answered that there is nothing there
    ],
)
def test_how_they_differ(data: bytes, httptools_says: object, h11_says: object) -> None:
    assert events(parsing_httptools.read_head, data)[-1] == httptools_says
    assert events(parsing_h11.read_head, data)[-1] == h11_says


PARTS = [b"GET ", b"POST ", b"/a ", b"* ", b"http://x/y?z ", b"HTTP/1.1\r\n", b"HTTP/1.0\r\n", b"\r\n", b"\n", b"\r"]
PARTS += [b" ", b"\t", b"\x00", b"\xff", b":", b",", b"Host: x\r\n", b"Connection: close\r\n", b"Content-Length: 3\r\n"]
PARTS += [b"Content-Length: 03 \r\n", b"Transfer-Encoding: chunked\r\n", b"A:\t b\r\n", b"X", b'"', b";", b"%2f", b"#"]


def mutations(seed: int, whole: bytes, parts: list[bytes]) -> bytes:
    """A request with some parts put in, left out or repeated."""
    chance = random.Random(seed)
    data = bytearray(whole)
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        at = chance.randrange(len(data) + 1)
        if chance.random() < 0.7:
            at = chance.choice([i for i in range(len(data) + 1) if i in (0, len(data)) or data[i - 1] in b"\n "])
            data[at:at] = chance.choice(parts)
        else:
            del data[at : at + chance.choice((1, 1, 2, 8))]
    return bytes(data)


def refused(found: list[Any]) -> bool:
    return isinstance(found[-1], int)


def h11_is_stricter(head: bytes) -> bool:
    return b"\nhost:" not in head.lower() or head.partition(b"\r\n")[0].count(b" ") != 2


def h11_is_kinder(head: bytes) -> bool:
    method, _, target = head.partition(b" ")
    return method not in (b"GET", b"POST") or not target.startswith((b"/", b"*", b"http:"))


def test_both_libraries_understand_the_same() -> None:
    accepted = 0
    for seed in range(6000):
        lines = [b"GET /a HTTP/1.1\r\n", HOST, b"A: b\r\n", b"Content-Length: 3\r\n"][: 2 + seed % 3]
        head = mutations(seed, b"".join(lines), PARTS).lstrip(b"\r\n").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        one, other = (events(read, head) for read in LIBRARIES.values())
        if refused(one) != refused(other):
            assert h11_is_stricter(head) if refused(other) else h11_is_kinder(head), (head, one, other)
        elif not refused(one):
            assert one == other
            accepted += 1
    assert accepted > 1000


class Everything:
    """What httptools makes of a body, as `events` tells it."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def on_headers_complete(self) -> None:
        self.found.append("head")

    def on_body(self, data: bytes) -> None:
        note(self.found, data)

    def on_message_complete(self) -> None:
        note(self.found, END)


CHUNKS = [
    b"1\r\nx\r\n",
    b"0\r\n\r\n",
    b"0\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b";",
    b"a",
    b"A: b\r\n",
    b"=",
    b'"',
    b"\x80",
]


def test_chunks_are_what_httptools_makes_of_them() -> None:
    """What we accept it does, and it means the same."""
    accepted = 0
    whole = b'1;a;b=c\r\nx\r\na;d="e"\r\n0123456789\r\n0\r\nA: b\r\n\r\n' + POST + b"Content-Length: 3\r\n\r\nabc"
    for seed in range(6000):
        data = CHUNKED + mutations(seed, whole, CHUNKS)
        ours = ["head" if isinstance(event, tuple) else event for event in events(parsing_httptools.read_head, data)]
        everything = Everything()
        try:
            httptools.HttpRequestParser(everything).feed_data(data)
        except httptools.HttpParserError:
            everything.found.append(400)
        if isinstance(ours[-1], int):
            ours.pop()
        if isinstance(ours[-1], bytes):
            ours.pop()  # of which one may have taken more than the other before it was refused
        assert everything.found[: len(ours)] == ours, data
        accepted += ours.count("end") == 2
    assert accepted > 500
