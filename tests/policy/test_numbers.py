"""Numbers and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.policy.numbers import leading_integer, parse_number, parse_size, shown_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3),
        (" 3", 3),
        ("007", 7),
        ("0x2", 2),
        ("0o3", 3),
        ("-1", -1),
        ("- 1", -1),
        ("2abc", 2),
        ("2.", 2),
        ("2_0", 2),
    ],
)
def test_whole_numbers(text: str, expected: int) -> None:
    assert leading_integer(text) == expected


@pytest.mark.parametrize("text", ["", "+2", "1.5", "1e2", "abc", ".5"])
def test_no_whole_numbers(text: str) -> None:
    assert leading_integer(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100", 100),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1kib", 1024),
        ("1.5GB", 1500000000),
        ("10 kb", 10000),
        ("2 Mebibytes", 2 << 20),
        ("8kbit", 1000),
        ("0x64", 100),
        ("1e3", 1000),
        ("3byte", 3),
        ("5%", 5),
        ("-5", -5),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "big", "5foo", ".5kB", "1e400QB"])
def test_no_sizes(text: str) -> None:
    assert parse_size(text) is None


def test_numbers_are_whole_texts() -> None:
    assert parse_number("1e1 ") == 10
    assert parse_number("-4.5") == -4.5
    assert parse_number("5.") is None
    assert parse_number("5x") is None


@given(st.text(alphabet="0123456789.eExXob-+ kKbBiI%\u0663"))
def test_nothing_breaks_them(text: str) -> None:
    leading_integer(text)
    parse_number(text)
    parse_size(text)


@pytest.mark.parametrize(
    ("size", "exact", "rough"),
    [
        (0, "0.0 B", "0 B"),
        (999, "999.0 B", "999 B"),
        (2000, "2.0 kB", "2 kB"),
        (1234567, "1.234567 MB", "1 MB"),
        (1500000000, "1.5 GB", "2 GB"),
        (-2000, "-2.0 kB", "-2 kB"),
    ],
)
def test_sizes_for_people(size: int, exact: str, rough: str) -> None:
    assert shown_size(size) == exact
    assert shown_size(size, places=0) == rough
