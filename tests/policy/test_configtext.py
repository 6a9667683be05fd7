"""Settings as a text to edit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.policy.configtext import Entry, Mistake, Mistakes, can_be_shown, changes, parse, text_of, values_of


def number(_field: str, value: str) -> str:
    if not value.isdigit():
        raise Mistake("no number")
    return str(int(value))


CHECKS = {"size": number, "name": lambda _field, value: value}
TEXT = text_of(
    [
        (["a heading", "", "another line"], []),
        (["sizes"], [Entry("size", "b", None, "7", "B\n"), Entry("size", "a", "5", about="A\x1b[1m")]),
        (["names"], [Entry("name", "x", "one\ntwo")]),
    ]
)


def test_what_it_looks_like() -> None:
    assert TEXT == (
        "# a heading\n#\n# another line\n\n# sizes\n# (for A [1m)\nsize a = 5\n# (for B )\n#size b = 7\n\n"
        "# names\nname x = one two\n"
    )


def test_what_has_been_changed() -> None:
    before = values_of(TEXT)

    def changed(old: str, new: str) -> dict[tuple[str, str], str]:
        assert old in TEXT
        return changes(before, parse(TEXT.replace(old, new), CHECKS, before), {"size": "0"})

    assert changed("a = 5", "a = 5") == {}
    assert changed("a = 5", "a = 005") == {}
    assert changed("a = 5", "a=6") == {("size", "a"): "6"}
    assert changed("#size b", "size b") == {("size", "b"): "7"}
    assert changed("size a", "#size a") == {("size", "a"): "0"}
    assert changed("name x", "#name x") == {}, "has no default"
    assert changed("a = 5", "a = 5\n\n  size\tq  = 9 ") == {("size", "q"): "9"}


def test_mistakes() -> None:
    bad = TEXT + "size a = x\nsize c = x\nnonsense\nfoo a = b\nsize = 5\nsize a = 6\n"
    with pytest.raises(Mistakes) as caught:
        parse(bad, CHECKS, {})
    assert [line.partition(": ")[2] for line in caught.value.summary] == [
        "size of a is set twice: size a = x",
        "no number: size c = x",
        "missing field: nonsense",
        'unknown setting "foo": foo a = b',
        "missing field: size = 5",
        "size of a is set twice: size a = 6",
    ]
    assert caught.value.summary[1].startswith("line 14: ")
    assert "# ** Parse error in next line: no number\nsize c = x\n" in caught.value.text
    with pytest.raises(Mistakes) as again:
        parse(caught.value.text, CHECKS, {})
    assert again.value.text == caught.value.text, "the comments are made anew"


def test_what_was_wrong_before_may_stay() -> None:
    before = {("size", "a"): "very"}
    assert parse("size a = very", CHECKS, before) == before
    with pytest.raises(Mistakes):
        parse("size a = hardly", CHECKS, before)


@given(st.lists(st.tuples(st.text(), st.text(), st.text())))
def test_nothing_from_a_log_is_a_change(entries: list[tuple[str, str, str]]) -> None:
    shown = {field: Entry("name", field, value, "", about) for field, value, about in entries if can_be_shown(field)}
    text = text_of([(["heading"], shown.values())])
    before = values_of(text)
    assert set(before) == {("name", field) for field in shown}
    assert changes(before, parse(text, CHECKS, before), {"name": ""}) == {}
    assert "\x1b" not in text
