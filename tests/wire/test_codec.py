"""The codec: every message survives being written and read, and lines are understood as the original does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.errors import UnknownCommand
from annexshell.model.key import Key, parse_key
from annexshell.wire.codec import encode, parse
from annexshell.wire.messages import (
    FILE,
    KEY,
    MAX_VERSION,
    MESSAGES,
    NUMBER,
    SERVICE,
    SERVICES,
    TEXT,
    TOKEN,
    WORDS,
    Message,
)
from tests.support.vectors import read_vector, substitute, unescape

DIRECT = Path(__file__).resolve().parent.parent / "vectors" / "direct"

BLANKS = b" \t\n\r\v\f"


def octets(alphabet: bytes, smallest: int = 0, largest: int = 30) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(alphabet), min_size=smallest, max_size=largest).map(bytes)


ANY = bytes(range(256))
LINE = bytes(set(ANY) - {10, 13})
WORD = bytes(set(ANY) - set(BLANKS))
NUMBERS = st.one_of(st.integers(0, 20), st.integers(0, 10**30), st.integers(-(10**6), -1))
OPTIONAL = st.one_of(st.none(), st.integers(0, 10**20))
KEYS = st.builds(
    Key,
    st.sampled_from([b"SHA256", b"WORM", b"URL", b"XFOO", b"MD5"]),
    octets(LINE),
    OPTIONAL,
    OPTIONAL,
    OPTIONAL,
    OPTIONAL,
)
FILES = octets(bytes(c for c in ANY if c > 32 and c != 127)).filter(lambda name: not name.startswith(b"/"))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    KEY: KEYS,
    FILE: FILES,
    NUMBER: NUMBERS,
    TEXT: octets(WORD),
    TOKEN: octets(b"abcXYZ019", smallest=1),
    SERVICE: st.sampled_from(SERVICES),
    WORDS: st.lists(octets(WORD, smallest=1), max_size=5),
}


@st.composite
def messages(draw: st.DrawFn) -> Message:
    word = draw(st.sampled_from(sorted(MESSAGES)))
    fields = [FIELDS[kind] for kind in MESSAGES[word][0]]
    if MESSAGES[word][0][-1:] == (TEXT,):
        fields[-1] = octets(LINE)  # the last field may hold blanks
    return Message(word, *map(draw, fields))


@given(messages())
@settings(derandomize=True, deadline=None, max_examples=1000)
def test_what_is_written_is_read_again(message: Message) -> None:
    line = encode(message.word, *message.args)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert parse(line[:-1]) == message


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


def test_messages_are_values() -> None:
    assert Message(b"VALID") == Message(b"VALID")
    assert hash(Message(b"DATA", 1)) == hash(Message(b"DATA", 1))
    assert Message(b"DATA", 1) != Message(b"DATA", 2)
    assert Message(b"VALID") != Message(b"INVALID")
    assert repr(Message(b"DATA", 1)) == "Message(b'DATA', 1)"
