"""Numbers and sizes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.model.amounts import leading_integer, parse_duration, parse_number, parse_size, shown_size
from tests.repo.places import make_repo


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


SIZES = [(str(text), size) for text, size in json.loads((Path(__file__).parent / "sizes.json").read_bytes())]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes(text: str, size: int | None) -> None:
    """As `git annex maxsize` of 10.20261026 stores them, or refuses them."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["5", "1.5k", "1e400"])
def test_sizes_below_zero(text: str) -> None:
    size = parse_size(text)
    assert size is not None
    assert parse_size("-" + text) == -size
    assert parse_size(" - " + text) == -size


def test_git_annex_reads_them_so(tmp_path: Path) -> None:
    """A sample; `git annex maxsize` takes its time."""
    repo = make_repo(tmp_path / "repo")
    for text, size in SIZES[::9]:
        done = subprocess.run(["git-annex", "maxsize", "here", text], cwd=repo.path, capture_output=True)
        assert (done.returncode == 0) == (size is not None), text
        if size is not None:
            assert repo.git("show", "git-annex:maxsize.log").split()[2] == str(size), text
    exact = [(text, size) for text, size in SIZES if size is not None and size < 1 << 53 and text.isalnum()]
    for text, size in exact[::10]:
        for other in (size, size + 1):
            command = ["git-annex", "matchexpression", f"largerthan={text}", f"--size={other}", "--file=x"]
            done = subprocess.run(command, cwd=repo.path, capture_output=True)
            assert done.returncode == (0 if other > size else 1), (text, other)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2D", 172_800), ("1y", 31_536_000), ("1.5h", 5400),
        ("0", 0), ("", None), ("s", None), ("5x", None), ("1h x", None), ("-5s", None), ("+5s", None), ("nans", None),
        ("infs", None), ("inf", None), ("1e999s", None), ("1_0s", None), ("9" * 5000, None), ("\u0663s", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


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
    parse_duration(text)


@pytest.mark.parametrize("digits", [300, 301, 5000, 100_000])
@pytest.mark.parametrize("prefix", ["", "-", "0x", "0o", "-0x"])
def test_numbers_of_many_digits(prefix: str, digits: int) -> None:
    """Python refuses to convert over 4300 of them."""
    text = prefix + "7" * digits
    number = leading_integer(text)
    assert number is not None
    assert abs(number) >= 10**250
    assert (number < 0) == (prefix[:1] == "-")
    size, real = parse_size(text + "Q"), parse_number(text)
    assert size is not None
    assert real is not None
    assert abs(size) >= 10**250
    assert abs(real) >= 1e250


@pytest.mark.parametrize(
    ("size", "exact", "rough"),
    [
        (0, "0.0 B", "0 B"),
        (999, "999.0 B", "999 B"),
        (2000, "2.0 kB", "2 kB"),
        (1234567, "1.234567 MB", "1 MB"),
        (1500000000, "1.5 GB", "2 GB"),
        (-2000, "-2.0 kB", "-2 kB"),
        (10**999, "1000000000000000.0 QB", "1000000000000000 QB"),
    ],
)
def test_sizes_for_people(size: int, exact: str, rough: str) -> None:
    assert shown_size(size) == exact
    assert shown_size(size, places=0) == rough
