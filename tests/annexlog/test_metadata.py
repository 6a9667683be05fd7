"""Metadata logs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annexshell.annexlog.metadata import parse_metadata


def test_newer_lines_win_and_fields_ignore_case() -> None:
    log = b"1700000200s Tag -foo +bar\n1700000100.5s tag +foo +baz year +1999\n"
    assert parse_metadata(log) == {
        "tag": {"bar", "baz"},
        "year": {"1999"},
        "tag-lastchanged": {"2023-11-14@22-16-40"},
        "year-lastchanged": {"2023-11-14@22-15-00"},
        "lastchanged": {"2023-11-14@22-16-40"},
    }


def test_values_in_base_64() -> None:
    assert parse_metadata(b"1s note +!YSBi +c! +!!!\n")["note"] == {"a b", "c!"}


def test_what_was_taken_back_is_gone() -> None:
    assert parse_metadata(b"1s tag +x\n2s tag -x\n") == {"lastchanged": {"1970-01-01@00-00-02"}}
    assert parse_metadata(b"") == {}
    assert parse_metadata(b"no time +x\n") == {}


@given(
    st.binary() | st.lists(st.sampled_from([b"1s", b"9e9s", b"f", b"+v", b"-v", b"+!", b"\n", b"+\xff"])).map(b" ".join)
)
def test_nothing_breaks_it(log: bytes) -> None:
    parse_metadata(log)
    parse_metadata(b"1" * 30 + b"s tag +x\n" + log)


def test_equal_time_stamps() -> None:
    """Then fields and values decide, not the order of the lines or the signs."""
    lines = [b"5s score +x tag +foo", b"5s tag +bar -foo"]
    for log in (lines, lines[::-1]):
        assert parse_metadata(b"\n".join(log))["tag"] == {"bar"}
    assert parse_metadata(b"5s tag +foo\n5s tag -foo").get("tag") is None
    assert parse_metadata(b"5s tag -foo\n5s tag +foo")["tag"] == {"foo"}
