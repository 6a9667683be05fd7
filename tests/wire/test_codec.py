"""The codec: every message survives being written and read, and lines are understood as the original does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.errors import NotEncodable, UnknownCommand
from annexshell.model.ids import decode_associated_file, encode_associated_file
from annexshell.model.key import Key, parse_key
from annexshell.stream import port
from annexshell.stream.memory import MemoryStream
from annexshell.wire.codec import encode, parse
from annexshell.wire.messages import (
    FILE,
    KEY,
    MAX_LINE,
    MAX_VERSION,
    MESSAGES,
    NUMBER,
    SERVICE,
    SERVICES,
    TEXT,
    TOKEN,
    UUID,
    WORDS,
    Message,
)
from tests.support.vectors import read_vector, substitute, unescape

DIRECT = Path(__file__).resolve().parent.parent / "vectors" / "direct"

BLANKS = b" \t\n\r\v\f"


def octets(alphabet: bytes, smallest: int = 0, largest: int = 30) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(alphabet), min_size=smallest, max_size=largest).map(bytes)


ANY = bytes(range(256))
LINE = bytes(set(ANY) - {10})
WORD = bytes(range(33, 127))
NUMBERS = st.one_of(st.integers(0, 20), st.integers(0, 10**30), st.integers(-(10**6), -1))
OPTIONAL = st.one_of(st.none(), st.integers(0, 10**20))
KEYS = st.builds(
    Key,
    st.sampled_from([b"SHA256", b"WORM", b"URL", b"XFOO", b"MD5"]),
    octets(bytes(set(LINE) - {0})),
    OPTIONAL,
    OPTIONAL,
    OPTIONAL,
    OPTIONAL,
)
FILES = octets(bytes(c for c in ANY if c > 32 and c != 127)).filter(
    lambda name: not name.startswith(b"/") and decode_associated_file(encode_associated_file(name)) == name
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    KEY: KEYS,
    FILE: FILES,
    NUMBER: NUMBERS,
    TEXT: octets(LINE),  # the last field may hold blanks
    UUID: octets(WORD),
    TOKEN: octets(b"abcXYZ019", smallest=1),
    SERVICE: st.sampled_from(SERVICES),
    WORDS: st.lists(octets(WORD, smallest=1), max_size=5),
}


RUBBISH = st.one_of(
    st.binary(max_size=20),
    st.lists(st.sampled_from([b"a", b" ", b"\n", b"\r", b"\0", b"%", b"/", b"\xc2\xa0", b"REMOVE"]), max_size=6).map(
        b"".join
    ),
)
UNCHECKED: dict[str, st.SearchStrategy[Any]] = {
    KEY: KEYS,
    FILE: RUBBISH,
    NUMBER: st.one_of(NUMBERS, st.integers(10**998, 10**1001)),
    TEXT: RUBBISH,
    TOKEN: RUBBISH,
    UUID: RUBBISH,
    SERVICE: st.one_of(RUBBISH, st.sampled_from(SERVICES)),
    WORDS: st.lists(RUBBISH, max_size=4),
}


@st.composite
def messages(draw: st.DrawFn) -> Message:
    word = draw(st.sampled_from(sorted(MESSAGES)))
    return Message(word, *(draw(FIELDS[kind]) for kind in MESSAGES[word][0]))


@given(messages())
@settings(derandomize=True, deadline=None, max_examples=1000)
def test_what_is_written_is_read_again(message: Message) -> None:
    line = encode(message.word, *message.args)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert parse(MemoryStream(line).read_line() or b"") == message


@given(octets(ANY, largest=60))
@settings(derandomize=True, deadline=None, max_examples=1000)
def test_any_line_is_a_message_or_refused(line: bytes) -> None:
    try:
        message = parse(line)
    except UnknownCommand:
        return
    assert message.word in MESSAGES


@given(messages(), st.integers(0, 200), st.sampled_from(ANY))
@settings(derandomize=True, deadline=None, max_examples=1000)
def test_a_damaged_message_is_a_message_or_refused(message: Message, position: int, byte: int) -> None:
    line = bytearray(encode(message.word, *message.args)[:-1])
    line[position % len(line)] = byte
    try:
        again = parse(bytes(line))
    except UnknownCommand:
        return
    assert len(again.args) == len(MESSAGES[again.word][0])


def recorded(name: str) -> list[Any]:
    """The requests of a vector and the answers that we are held to."""
    vector = read_vector(DIRECT / f"{name}.vector")
    found = []
    for session in vector.sessions:
        for line in session.ours():
            if line.kind == "exchange" and line.items[0].side == ">":
                request, *answers = line.items
                answer = answers[0].text if answers else "SUCCESS"
                text = unescape(substitute(request.text, vector.names))
                found.append(pytest.param(text, answer, id=request.text[:40]))
    return found


@pytest.mark.parametrize(("line", "answer"), recorded("version"))
def test_numbers_are_those_of_the_original(line: bytes, answer: str) -> None:
    if answer.startswith("ERROR"):
        with pytest.raises(UnknownCommand):
            parse(line)
    else:
        (number,) = parse(line).args
        assert f"VERSION {min(number, MAX_VERSION)}" == answer


@pytest.mark.parametrize(("line", "answer"), recorded("lines"))
def test_lines_are_split_like_the_original(line: bytes, answer: str) -> None:
    line = line.removesuffix(b"\r")  # which the stream has done already
    if answer == "ERROR unknown command":
        with pytest.raises(UnknownCommand):
            parse(line)
    else:
        parse(line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"GET 0  WORM--k", Message(b"GET", 0, b"", parse_key(b"WORM--k"))),
        (b"GET 5 f WORM--k", Message(b"GET", 5, b"f", parse_key(b"WORM--k"))),
        (b"PUT  WORM--a b ", Message(b"PUT", b"", parse_key(b"WORM--a b "))),
        (b"PUT a%b%%c WORM--k", Message(b"PUT", b"a_b%c", parse_key(b"WORM--k"))),
        (b"CHECKPRESENT SHA256-s0100--x", Message(b"CHECKPRESENT", parse_key(b"SHA256-s100--x"))),
        (b"REMOVE-BEFORE -1 WORM--k", Message(b"REMOVE-BEFORE", -1, parse_key(b"WORM--k"))),
        (b"SUCCESS-PLUS", Message(b"SUCCESS-PLUS", [])),
        (b"SUCCESS-PLUS  a\t b ", Message(b"SUCCESS-PLUS", [b"a", b"b"])),
        (b"ERROR no more words", Message(b"ERROR", b"no more words")),
        (b"ERROR", Message(b"ERROR", b"")),
    ],
)
def test_reads_its_fields(line: bytes, message: Message) -> None:
    assert parse(line) == message


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (Message(b"GET", 0, b"", parse_key(b"WORM--k")), b"GET 0  WORM--k\n"),
        (Message(b"PUT", b"a b%c\td", parse_key(b"WORM--k")), b"PUT a%b%%c%d WORM--k\n"),
        (Message(b"BYPASS", []), b"BYPASS \n"),
        (Message(b"ALREADY-HAVE-PLUS", [b"a", b"b"]), b"ALREADY-HAVE-PLUS a b\n"),
        (Message(b"VERSION", -1), b"VERSION -1\n"),
        (Message(b"UNLOCKCONTENT"), b"UNLOCKCONTENT\n"),
    ],
)
def test_writes_its_fields(message: Message, line: bytes) -> None:
    assert encode(message.word, *message.args) == line


def test_a_key_may_fill_the_longest_line() -> None:
    name = b"a" * 32748
    message = parse(b"CHECKPRESENT WORM--" + name)
    assert message.args[0].name == name


@pytest.mark.parametrize("digits", [999, 1000, 1001, 5000, 30000])
@pytest.mark.parametrize("request_", [b"VERSION %b", b"DATA %b", b"GET %b  WORM--k", b"CHECKPRESENT WORM-s%b--k"])
def test_endless_numbers_are_refused_or_read(digits: int, request_: bytes) -> None:
    """Converting them costs time that grows with the square of their length; int() itself raises ValueError."""
    for number in (b"9" * digits, b"0" * digits, b"-" + b"9" * digits, b"0x" + b"f" * digits):
        try:
            parse(request_ % number)
        except UnknownCommand:
            continue
        assert digits <= 1000


@pytest.mark.parametrize("word", sorted(MESSAGES))
@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=100)
def test_whatever_is_written_is_read_as_the_same_message(word: bytes, data: st.DataObject) -> None:
    """Values that nobody has looked at: they are refused, or come out as they went in."""
    kinds = MESSAGES[word][0]
    args = [data.draw(UNCHECKED[kind]) for kind in kinds]
    try:
        line = encode(word, *args)
    except NotEncodable:
        return
    stream = MemoryStream(line + b"VALID\n")
    again = parse(stream.read_line() or b"")
    expected = [
        decode_associated_file(encode_associated_file(arg)) if k == FILE else arg for k, arg in zip(kinds, args)
    ]
    assert again == Message(word, *expected)
    assert stream.read_line() == b"VALID"


@pytest.mark.parametrize(
    ("word", "args"),
    [
        (b"AUTH", (b"a\nREMOVE WORM--a", b"t")),
        (b"AUTH", (b"a b", b"t")),
        (b"AUTH", (b"a\xc2\xa0b", b"t")),
        (b"AUTH", (b"a", b"t t")),
        (b"AUTH", (b"a",)),
        (b"AUTH-SUCCESS", (b"a\nb",)),
        (b"BYPASS", ([b"a\nb"],)),
        (b"BYPASS", ([b"a b"],)),
        (b"BYPASS", ([b""],)),
        (b"BYPASS", ([b"a\0"],)),
        (b"BYPASS", ([b"u" * 40] * 1000,)),
        (b"SUCCESS-PLUS", ([b"a", b"b\xe2\x80\x83c"],)),
        (b"ERROR", (b"one\ntwo",)),
        (b"CHECKPRESENT", (parse_key(b"WORM--a\0"),)),
        (b"PUT", (b"/abs", parse_key(b"WORM--a"))),
        (b"GET", (10**999, b"", parse_key(b"WORM--a"))),
        (b"CONNECT", (b"git-upload-archive",)),
        (b"CHECKPRESENT", (parse_key(b"WORM--" + b"a" * 32769),)),
    ],
)
def test_what_can_not_be_said_is_refused(word: bytes, args: tuple[Any, ...]) -> None:
    with pytest.raises(NotEncodable):
        encode(word, *args)


def test_blanks_of_unicode_do_not_split_a_name() -> None:
    """The original would, in a UTF-8 locale, and take what follows for the key."""
    line = encode(b"PUT", "a\N{NO-BREAK SPACE}WORM--b\N{IDEOGRAPHIC SPACE}c".encode(), parse_key(b"WORM--k"))
    assert line == b"PUT a%WORM--b%c WORM--k\n"


def test_lines_are_as_long_as_streams_read_them() -> None:
    assert MAX_LINE == port.MAX_LINE


def test_messages_are_values() -> None:
    assert Message(b"VALID") == Message(b"VALID")
    assert hash(Message(b"DATA", 1)) == hash(Message(b"DATA", 1))
    assert Message(b"DATA", 1) != Message(b"DATA", 2)
    assert Message(b"VALID") != Message(b"INVALID")
    assert repr(Message(b"DATA", 1)) == "Message(b'DATA', 1)"
