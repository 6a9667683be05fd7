"""What one border lets in the other can say: parameters over HTTP as lines, and lines as requests over HTTP."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.errors import BadRequest, NoSuchEndpoint, NotEncodable, UnknownCommand
from annexshell.model.ids import decode_associated_file, encode_associated_file
from annexshell.model.key import Key
from annexshell.stream.memory import MemoryStream
from annexshell.wire.codec import encode, parse
from annexshell.wire.endpoints import (
    BYPASS,
    CLIENT,
    ENDPOINTS,
    FILE,
    MAX_VERSION,
    OFFSET,
    TIMESTAMP,
    Endpoint,
)
from annexshell.wire.endpoints import (
    KEY as KEY_PARAMETER,
)
from annexshell.wire.httpapi import key_endpoint, target
from annexshell.wire.httprequest import Parameters, parse_path, read_key, read_path_key, split_target
from annexshell.wire.messages import Message

PIECES = [
    b"a",
    b"WORM--",
    b"-s5",
    b" ",
    b"+",
    b"\n",
    b"\r",
    b"\0",
    b"\x1b",
    b"%",
    b"/",
    b"[",
    b"]",
    b"&",
    b"\xff",
    b"\xc2\xa0",
]
TEXT = st.one_of(st.binary(max_size=12), st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join))
KEY = st.one_of(TEXT, TEXT.map(lambda text: b"WORM--" + text))
ANY = Endpoint("any", (b"POST",), 0, (), (KEY_PARAMETER, CLIENT, BYPASS, FILE, OFFSET, TIMESTAMP))
NUMBER = st.one_of(st.integers(0, 10**30).map(lambda n: b"%d" % n), TEXT)


def bracketed(value: bytes) -> bytes:
    return b"[%b]" % urlsafe_b64encode(value)


def written(value: bytes, in_brackets: bool) -> str:
    return quote(bracketed(value) if in_brackets else value, safe="")


def query(**parameters: str) -> Parameters:
    return read("&".join(f"{name}={value}" for name, value in parameters.items()).encode())


def read(asked: bytes) -> Parameters:
    """The parameters of a request that may have any."""
    return Parameters(asked, ANY, MAX_VERSION)


def comes_back(word: bytes, *args: object) -> None:
    line = encode(word, *args)
    assert line.count(b"\n") == 1
    assert parse(MemoryStream(line).read_line() or b"") == Message(word, *args)


@given(KEY, st.booleans())
@settings(derandomize=True, deadline=None, max_examples=500)
def test_keys_of_requests_can_be_said_in_a_line(text: bytes, in_brackets: bool) -> None:
    reads: list[Callable[[], Key | None]] = [
        lambda: query(key=written(text, in_brackets)).key(),
        lambda: read_path_key(bracketed(text)),
    ]
    for reading in reads:
        try:
            key = reading()
        except (BadRequest, NoSuchEndpoint):
            continue
        for word in (b"CHECKPRESENT", b"LOCKCONTENT", b"REMOVE"):
            comes_back(word, key)
        comes_back(b"REMOVE-BEFORE", 7, key)
        comes_back(b"PUT", b"", key)


@given(st.lists(TEXT, max_size=3), st.booleans())
@settings(derandomize=True, deadline=None, max_examples=500)
def test_gateways_of_requests_can_be_said_in_a_line(texts: list[bytes], in_brackets: bool) -> None:
    try:
        uuids = read("&".join(f"bypass={written(text, in_brackets)}" for text in texts).encode()).bypass()
    except BadRequest:
        return
    assert uuids == texts or not in_brackets
    comes_back(b"BYPASS", uuids)


@given(TEXT, st.booleans())
@settings(derandomize=True, deadline=None, max_examples=500)
def test_files_of_requests_can_be_said_in_a_line(text: bytes, in_brackets: bool) -> None:
    try:
        file = query(associatedfile=written(text, in_brackets)).file()
    except BadRequest:
        return
    key = read_key(b"WORM--k")
    line = encode(b"GET", 0, file, key)
    said = decode_associated_file(encode_associated_file(file))
    assert parse(line[:-1]) == Message(b"GET", 0, said, key)
    assert said is not None
    assert len(said) <= len(file)


@given(NUMBER)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_numbers_of_requests_can_be_said_in_a_line(text: bytes) -> None:
    parameters = query(offset=quote(text, safe=""), timestamp=quote(text, safe=""))
    try:
        offset, timestamp = parameters.offset(), parameters.timestamp()
    except BadRequest:
        return
    key = read_key(b"WORM--k")
    comes_back(b"GET", offset, b"f", key)
    comes_back(b"REMOVE-BEFORE", timestamp, key)


@given(KEY, TEXT, st.lists(TEXT, max_size=3), st.integers(0, 10**998))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_lines_can_be_said_in_requests(key: bytes, file: bytes, uuids: list[bytes], number: int) -> None:
    try:
        get = parse(b"GET %d %b %b" % (number, encode_associated_file(file), key))
        bypass = parse(b"BYPASS %b" % b" ".join(uuids))
    except UnknownCommand:
        return
    offset, name, wanted = get.args
    if b"\0" in wanted.serialized:  # nobody has it, and nobody is asked
        with pytest.raises(NotEncodable):
            key_endpoint(wanted.serialized)
        return
    said = [("associatedfile", name), ("offset", b"%d" % offset), *(("bypass", uuid) for uuid in bypass.args[0])]
    path, asked = split_target(target(b"", b"uuid", 4, key_endpoint(wanted.serialized), said))
    found = parse_path(path)
    parameters = read(asked)
    assert found.key is not None
    assert read_key(found.key) == wanted
    assert (parameters.file(), parameters.offset(), parameters.bypass()) == (name, offset, bypass.args[0])
    for endpoint in sorted(ENDPOINTS.keys() - {"key"}):
        _, asked = split_target(
            target(b"", b"uuid", 4, endpoint, [("key", wanted.serialized), ("timestamp", b"%d" % offset)])
        )
        assert (read(asked).key(), read(asked).timestamp()) == (wanted, offset)


@pytest.mark.parametrize("byte", [b"\n", b"\0", b"\r", b"\x1b"])
@pytest.mark.parametrize("in_brackets", [False, True])
def test_control_characters_are_refused_with_a_sentence(byte: bytes, in_brackets: bool) -> None:
    text = written(b"a" + byte, in_brackets)
    parameters = query(key=written(b"WORM--a" + byte, in_brackets), clientuuid=text, bypass=text, associatedfile=text)
    for reading in (parameters.client, parameters.bypass):
        with pytest.raises(BadRequest, match=r"Error parsing query parameter .* failed: "):
            reading()
    assert parameters.file() == b"a_"
    if byte in (b"\n", b"\0"):  # the others may stand in a key
        with pytest.raises(BadRequest, match="key parse error"):
            parameters.key()


@pytest.mark.parametrize("text", [b"WORM--a\nb", bracketed(b"WORM--a\nb"), b"WORM--\0"])
def test_nobody_has_a_key_that_can_not_be(text: bytes) -> None:
    with pytest.raises(NoSuchEndpoint):
        read_path_key(text)
