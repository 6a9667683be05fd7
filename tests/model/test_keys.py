"""Keys as text and as file names: the grammar and the tables of upstream's Types/Key.hs and Annex/Locations.hs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.errors import BadKey
from annexshell.model.key import Key, has_extension, key_from_file_name, parse_key

OPTIONAL = st.one_of(st.none(), st.integers(0, 10**25))
NAMES = st.binary(max_size=40).filter(lambda name: b"\n" not in name)
KEYS = st.builds(
    Key, st.sampled_from([b"SHA256", b"WORM", b"URL", b"x y"]), NAMES, OPTIONAL, OPTIONAL, OPTIONAL, OPTIONAL
)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (b"SHA256E-s100--abc.txt", (b"SHA256E", b"abc.txt", 100, None, None, None)),
        (b"WORM-s3-m1289672605--file", (b"WORM", b"file", 3, 1289672605, None, None)),
        (b"SHA256E-s10-m5-S100-C2--x", (b"SHA256E", b"x", 10, 5, 100, 2)),
        (b"SHA256E-s10-C2--x", (b"SHA256E", b"x", 10, None, None, 2)),
        (b"URL--http://a.b/c%d&e:f", (b"URL", b"http://a.b/c%d&e:f", None, None, None, None)),
        (b"WORM--", (b"WORM", b"", None, None, None, None)),
        (b"WORM--a--b-s5--c", (b"WORM", b"a--b-s5--c", None, None, None, None)),
        (b"SHA256-s1---x", (b"SHA256", b"-x", 1, None, None, None)),
        (b"FOO-s1--../../x", (b"FOO", b"../../x", 1, None, None, None)),
        (b"WORM--a b \xff\x00\r", (b"WORM", b"a b \xff\x00\r", None, None, None, None)),
    ],
)
def test_parses(text: bytes, fields: tuple[object, ...]) -> None:
    key = parse_key(text)
    assert (key.variety, key.name, key.size, key.mtime, key.chunk_size, key.chunk_number) == fields
    assert key.serialized == text


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"notakey",
        b"--x",
        b"-s10--x",
        b"SHA256-x",
        b"SHA256-s10",
        b"SHA256-s-1--x",
        b"SHA256-s--x",
        b"SHA256-sx--x",
        b"SHA256-s1x--x",
        b"SHA256-s+1--x",
        b"SHA256-s 1--x",
        b"SHA256-s1_0--x",
        b"SHA256-s\xd9\xa3--x",
        b"SHA256-m5-s10--x",
        b"SHA256-s10-s10--x",
        b"SHA256-s10-x5--x",
        b"SHA256-C1-S1--x",
        b"SHA256-s" + b"9" * 1001 + b"--x",
    ],
)
def test_refuses(text: bytes) -> None:
    with pytest.raises(BadKey):
        parse_key(text)


@pytest.mark.parametrize("text", [b"WORM--a\nb", b"WO\nRM--a", b"WORM-s1--\n", b"\nA--a"])
def test_no_key_breaks_a_line(text: bytes) -> None:
    with pytest.raises(BadKey):
        parse_key(text)
    with pytest.raises(BadKey):
        key_from_file_name(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (b"SHA256E-s0100--x", b"SHA256E-s100--x"),
        (b"SHA256E-s000--x", b"SHA256E-s0--x"),
        (b"WORM-s01-m002-S0003-C00004--x", b"WORM-s1-m2-S3-C4--x"),
    ],
)
def test_is_canonical_after_parsing(text: bytes, canonical: bytes) -> None:
    assert parse_key(text).serialized == canonical
    assert parse_key(text) == parse_key(canonical)
    assert hash(parse_key(text)) == hash(parse_key(canonical))


@pytest.mark.parametrize(
    ("variety", "limited"),
    [
        (b"SHA256E", True),
        (b"BLAKE2B160E", True),
        (b"XFOOE", True),
        (b"FOOE", True),
        (b"URLE", True),
        (b"E", True),
        (b"SHA256", False),
        (b"FOO", False),
        (b"XFOO", False),
        (b"WORM", False),
        (b"URL", False),
        (b"VURL", False),
        (b"GITBUNDLE", False),
        (b"GITMANIFEST", False),
    ],
)
def test_extensions_have_a_limit(variety: bytes, limited: bool) -> None:
    assert has_extension(variety) == limited
    longest = b"a" * 64 + b"." + b"e" * 31 + b"." + b"f" * 31  # from the first dot on: 64 bytes
    assert parse_key(variety + b"--" + longest).name == longest
    if limited:
        with pytest.raises(BadKey):
            parse_key(variety + b"--" + longest + b"g")
    else:
        parse_key(variety + b"--" + longest + b"g")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"URL--http://a.b/c%d&e:f", b"URL--http&c%%a.b%c&sd&ae&cf"),
        (b"FOO-s1--../../x", b"FOO-s1--..%..%x"),
        (b"SHA256-s5--abc", b"SHA256-s5--abc"),
        (b"WORM--&&a%/:", b"WORM--&a&aa&s%&c"),
        (b"WORM--a\\b c\xff", b"WORM--a\\b c\xff"),
    ],
)
def test_file_names(text: bytes, name: bytes) -> None:
    assert parse_key(text).file_name == name
    assert key_from_file_name(name) == parse_key(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [(b"WORM--a&xb", b"WORM--axb"), (b"WORM--a&", b"WORM--a"), (b"WORM--&&a", b"WORM--&"), (b"WORM--&&", b"WORM--")],
)
def test_reads_file_names_that_nobody_writes(name: bytes, text: bytes) -> None:
    assert key_from_file_name(name) == parse_key(text)


@pytest.mark.parametrize("name", [b"", b"..", b".", b"x.log", b"%", b"lck.foo"])
def test_other_files_are_no_keys(name: bytes) -> None:
    with pytest.raises(BadKey):
        key_from_file_name(name)


@given(KEYS)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_any_key_survives_both_ways(key: Key) -> None:
    assert parse_key(key.serialized) == key
    assert b"/" not in key.file_name
    assert key.file_name not in (b".", b"..", b"")
    assert key_from_file_name(key.file_name) == key


@given(st.binary(max_size=40))
@settings(derandomize=True, deadline=None, max_examples=1000)
def test_any_text_is_a_key_or_refused(text: bytes) -> None:
    try:
        key = parse_key(text)
    except BadKey:
        return
    assert parse_key(key.serialized).serialized == key.serialized


@given(KEYS, st.integers(0, 60), st.integers(0, 255))
@settings(derandomize=True, deadline=None, max_examples=1000)
def test_a_damaged_key_is_a_key_or_refused(key: Key, position: int, byte: int) -> None:
    text = bytearray(key.serialized)
    text[position % len(text)] = byte
    try:
        again = parse_key(bytes(text))
    except BadKey:
        return
    assert parse_key(again.serialized) == again


def test_shows_itself() -> None:
    assert repr(parse_key(b"WORM--x")) == "Key(b'WORM--x')"
    assert parse_key(b"WORM--x") != b"WORM--x"
