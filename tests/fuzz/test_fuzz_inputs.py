"""Bytes that others chose, given to what reads them first: lines of the protocol, requests of the HTTP API, answers of
nodes, logs that were pushed, configurations. Whatever they are, they are read or refused with a sentence, and what was
read is written as what it was.

A few hundred of each, the same ones each time; FUZZ=SECONDS tries others for so long, and tells by which seed they can
be had again (FUZZ_SEED).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from random import Random, SystemRandom

import pytest

from annexshell.annexlog.lines import merge, next_clock, timed_lines, whole_seconds
from annexshell.annexlog.logs import parse_proxied, parse_remote_config
from annexshell.annexlog.metadata import parse_metadata
from annexshell.errors import (
    BadKey,
    BadRequest,
    BadResponse,
    BadUsage,
    NoSuchEndpoint,
    NotEncodable,
    UnknownCommand,
)
from annexshell.git.config import parse_config
from annexshell.model.key import Key, key_from_file_name
from annexshell.model.show import for_client, visible
from annexshell.serve.http.access.htpasswd import parse_htpasswd
from annexshell.serve.http.access.rules import parse_rules
from annexshell.serve.http.api.call import Call
from annexshell.serve.http.http1.heads import Head, Malformed
from annexshell.serve.http.http1.parsing import END, MORE, RequestParser
from annexshell.wire.codec import encode, parse
from annexshell.wire.http1 import parse_chunk_size, parse_head
from annexshell.wire.httpapi import flag, number, parse_answer, plus_uuids, text
from annexshell.wire.httprequest import parse_path, split_target

SECONDS = float(os.environ.get("FUZZ", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or (SystemRandom().getrandbits(48) if SECONDS else 1)
FEW = 300

BYTES = [b"\0", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\v", b"\x1b", b"\x7f", b"\xff", b"\xc2\xa0", b"\xe2\x80\xae"]
BYTES += [b"%", b"%00", b"%0a", b"%0d", b"[", b"]", b"&", b"=", b":", b";", b"/", b"..", b"-", b"--", b'"', b"\\", b"@"]
BYTES += [b"0", b"-1", b"9" * 20, b"9" * 400, b"9" * 5000, b"1e9", b"nan", b"\xef\xbb\xbf", b"x" * 40_000]

LINES = [b"CHECKPRESENT SHA256-s3--x", b"GET 0 a%b WORM--a", b"PUT f%%g SHA256E-s1--x.jpg", b"DATA 12", b"VERSION 4"]
LINES += [b"ALREADY-HAVE-PLUS u v", b"REMOVE-BEFORE 10 WORM--a", b"BYPASS a b", b"CONNECT git-upload-pack", b"ERROR no"]
REQUESTS = [
    b"POST /git-annex/u/v4/put?key=WORM--a&clientuuid=c&associatedfile=f HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /git-annex/u/v3/key/[V09STS0tYQ==]?clientuuid=c&offset=1 HTTP/1.1\r\nRange: bytes=0-1,3-\r\n\r\n",
    b"POST /git-annex/u/v2/remove?key=WORM--a&clientuuid=c&bypass=x&bypass=y HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.0\r\n\r\n",
]
ANSWERS = [
    b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\n{"present": true, "plusuuids": ["a", "[YWI=]"]}',
    b"HTTP/1.1 404 no\r\nTransfer-Encoding: chunked\r\n\r\n2f;x\r\n",
    b'HTTP/1.0 507 full\r\n\r\n{"timestamp": 12, "offset": 3, "lockid": "x"}',
]
LOGS = [
    b"1700000000.5s 1 11111111-2222-4222-8222-222222222222\n1700000001s 0 b\n",
    b"1700000000s a +1 -2 b +!YmM= c -x\n",
    b"u a:b c:d timestamp=1700000000s\n",
    b"u name=x&32;y type=S3 timestamp=1s\n",
]
CONFIGS = [
    b"core.bare\nfalse\0annex.uuid\nx\0remote.o.url\nssh://h/p\0annex.flag\0",
    b"[*]\nanonymous = read\nusers = write\n",
]
CONFIGS += [b"me:$2y$05$" + b"a" * 53 + b"\n# no\n", b"[/srv/a]\nbob = append\n[b]\nnobody = nothing\n"]


def check_sentence(text: str) -> None:
    """Whether it says something, and nothing that a terminal would obey."""
    assert text
    assert not {"\0", "\r", "\n", "\x1b", "\x7f", "\u202e"} & set(text)


def read_line(data: bytes, rng: Random) -> None:
    for line in data.split(b"\n"):
        try:
            message = parse(line.removesuffix(b"\r"))
        except UnknownCommand:
            continue
        try:
            again = encode(message.word, *message.args)
        except NotEncodable:
            continue
        assert again.count(b"\n") == 1
        if message.word not in (b"GET", b"PUT"):  # a blank in a file name comes back as another character
            assert parse(again[:-1].removesuffix(b"\r")) == message
        for argument in message.args:
            if isinstance(argument, Key):
                assert key_from_file_name(argument.file_name) == argument
                assert not {b"/", b"\n"} & {argument.file_name[i : i + 1] for i in range(len(argument.file_name))}


def events(data: bytes, pieces: Iterator[int]) -> list[object]:
    """What a server's parser makes of a connection's bytes: payload as one, and how it ends."""
    parser = RequestParser()
    found: list[object] = []
    try:
        while True:
            event = parser.next()
            if event is MORE:
                if not data:
                    return found
                size = next(pieces)
                parser.feed(data[:size])
                data = data[size:]
            elif isinstance(event, Head):
                found.append((event.method, event.raw_target, event.headers))
            elif event is END:
                found.append("end")
            elif found and isinstance(found[-1], bytes):
                assert isinstance(event, bytes)
                found[-1] += event
            else:
                found.append(event)
    except Malformed as error:
        check_sentence(str(error))
        return [*found, error.status]


def read_request(data: bytes, rng: Random) -> None:
    whole = events(data, iter(lambda: 1 << 20, 0))
    in_pieces = events(data, iter(lambda: rng.randint(1, 2000), 0))
    refused = isinstance(whole[-1] if whole else None, int)  # in pieces perhaps later, when a head is complete
    assert in_pieces == whole or refused
    assert [event for event in in_pieces if isinstance(event, tuple)] == [e for e in whole if isinstance(e, tuple)]
    for event in whole:
        if isinstance(event, tuple):
            path, query = split_target(event[1])
            try:
                Call(parse_path(path), query)
            except (BadRequest, NoSuchEndpoint) as error:
                check_sentence(for_client(error.public))


def read_answer(data: bytes, rng: Random) -> None:
    head, _, body = data.partition(b"\r\n\r\n")
    readers: list[Callable[[], object]] = [
        lambda: parse_head(head.split(b"\r\n")).body_length,
        lambda: parse_head(head.split(b"\r\n")).keeps_connection,
        lambda: parse_chunk_size(body.partition(b"\r\n")[0]),
        lambda: flag(parse_answer(body), "present"),
        lambda: number(parse_answer(body), "timestamp"),
        lambda: text(parse_answer(body), "lockid"),
    ]
    for read in readers:
        try:
            read()
        except BadResponse as error:
            check_sentence(visible(str(error)))
    try:
        for uuid in plus_uuids(parse_answer(body)):
            encode(b"SUCCESS-PLUS", [uuid])
    except (BadResponse, NotEncodable):
        pass


def read_log(data: bytes, rng: Random) -> None:
    for clock, rest in timed_lines(data):
        whole_seconds(clock)
        next_clock(1, [clock])
        parse_proxied(rest)
        parse_remote_config(rest)
    parse_metadata(data)
    merged = merge(b"aaa/bbb/WORM--a.log", data, LOGS[0])
    assert merge(b"aaa/bbb/WORM--a.log", merged, merged) == merged
    try:
        key_from_file_name(data.partition(b"\n")[0])
    except BadKey:
        pass


def read_configuration(data: bytes, rng: Random) -> None:
    parse_config(data)
    for parse_file in (parse_rules, parse_htpasswd):
        try:
            parse_file(data)
        except BadUsage as error:
            check_sentence(visible(str(error)))


def changed(data: bytes, others: list[bytes], rng: Random) -> bytes:
    """A text with a few things put in, left out, repeated or taken from another one."""
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice((0, 0, 1, 2, 5, 20)))
        other = rng.choice(others)
        there = rng.randint(0, len(other))
        put = rng.choice((rng.choice(BYTES), rng.randbytes(2), other[there : there + 20], data[start:end] * 3, b""))
        data = data[:start] + put + data[end:]
    return data


@pytest.mark.parametrize(
    ("read", "examples"),
    [
        (read_line, LINES),
        (read_request, REQUESTS),
        (read_answer, ANSWERS),
        (read_log, LOGS),
        (read_configuration, CONFIGS),
    ],
)
def test_whatever_it_is_it_is_read_or_refused(read: Callable[[bytes, Random], None], examples: list[bytes]) -> None:
    end = time.monotonic() + SECONDS / 5
    seed, count = SEED, 0
    while count < FEW or time.monotonic() < end:
        rng = Random(seed)
        data = changed(rng.choice(examples), examples, rng)
        try:
            read(data, rng)
        except Exception as error:
            raise AssertionError(f"FUZZ_SEED={seed}: {data[:300]!r}") from error
        seed, count = seed + 1, count + 1
