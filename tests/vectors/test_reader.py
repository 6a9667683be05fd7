"""The reader of vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.vectors import Item, escape, payload, read_vector, show_payload, substitute, unescape


@given(st.binary(max_size=60))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_what_is_escaped_is_one_item_again(data: bytes) -> None:
    shown = escape(data)
    assert unescape(shown) == data
    assert "\n" not in shown
    assert not shown.endswith(" ")
    assert "  < " not in shown
    assert "  > " not in shown


@given(st.binary(min_size=1, max_size=10), st.integers(1, 300))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_what_is_shown_as_payload_is_the_same_payload(pattern: bytes, count: int) -> None:
    data = (pattern * 300)[:count]
    assert payload(show_payload(data)) == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a{5}b", b"aaaaab"),
        (r"\x00\xff\n\r\t\\", b"\x00\xff\n\r\t\\"),
        ("é", "é".encode()),
        (r"\xc3\xa9é", "éé".encode()),
        ("a{b}", b"a{b}"),
    ],
)
def test_unescapes(text: str, data: bytes) -> None:
    assert unescape(text) == data


@pytest.mark.parametrize(
    ("text", "data"),
    [("[0 bytes]", b""), ("[5 bytes] ab...", b"ababa"), ("[1 bytes] .", b"."), (r"[1 bytes] \n", b"\n")],
)
def test_payloads(text: str, data: bytes) -> None:
    assert payload(text) == data


def test_a_payload_has_the_announced_length() -> None:
    with pytest.raises(AssertionError, match="3 bytes are announced as 4"):
        payload("[4 bytes] abc")


def test_substitutes_names() -> None:
    names = {"K1": "WORM--x", "REPO": "u"}
    assert substitute(r"GET\tK1 K2 K12 XK1 <REPO> <T> <T+60>", names, 5) == r"GET\tWORM--x K2 K12 XK1 u 5 65"


VECTOR = """\
# About it.
key K1 present [5 bytes] hello
config annex.verify=false

=== one  -- GIT_ANNEX_SHELL_READONLY=1 p2pstdio direct CLIENT --uuid <REPO> @4
[other] > PUT  K1  < ERROR no  > [2 bytes] ab
ours: > PUT  K1  < FAILURE
ours: > FOO
why: because
exit: 1
ours: (nothing)
why: it goes on
=== two  -- inannex direct K1
stdout: text
"""


def test_reads_and_writes_vectors(tmp_path: Path) -> None:
    path = tmp_path / "x.vector"
    path.write_text(VECTOR)
    vector = read_vector(path)
    assert str(vector) == VECTOR
    assert vector.contents == {"K1": b"hello"}
    assert vector.present == {"K1"}
    assert vector.config == [("annex.verify", "false")]
    one, two = vector.sessions
    assert (one.env, one.version, one.is_protocol) == ({"GIT_ANNEX_SHELL_READONLY": "1"}, 4, True)
    assert (two.env, two.version, two.is_protocol) == ({}, None, False)
    (recorded, _) = one.lines
    assert recorded.connection == "other"
    assert recorded.items == [Item(">", "PUT  K1"), Item("<", "ERROR no"), Item(">", "[2 bytes] ab")]
    assert [str(line) for line in one.ours()] == ["> PUT  K1  < FAILURE", "> FOO"]


@pytest.mark.parametrize(
    "line", ["nonsense", "ours: > FOO\n> BAR", "=== no command", "ours: nonsense", "why: nothing before"]
)
def test_points_at_the_line_that_is_wrong(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.vector"
    path.write_text("=== title  -- p2pstdio direct\n> GET\n" * (line != "why: nothing before") + line + "\n")
    with pytest.raises(ValueError, match=r"x\.vector, line \d+"):
        read_vector(path)
