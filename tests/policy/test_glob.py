"""Globs: what the real git-annex answered, and that no glob is slow or breaks anything."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.policy.glob import BadGlob, Glob, compile_glob

NAMES = ["[x]", "a/b/y", "a/x", "a]b", "b`c", "back\\slash", "it's", "plain", "x<y>z", "é"]
# Which of these names the real git-annex lists with --include.
ANSWERS = {
    "it's": [],
    "*'*": NAMES,
    "*`*": NAMES,
    "*<*": NAMES[:-1],
    "x<y>z": [],
    "*s'": ["it's"],
    "'*": [],
    "[[:alpha:]]t*": ["it's"],
    "back\\slash": ["back\\slash"],
    "[]a]*": ["a/b/y", "a/x", "a]b"],
    "[ab]*": ["a/b/y", "a/x", "a]b", "b`c", "back\\slash"],
    "[a-]*": ["a/b/y", "a/x", "a]b"],
    "[!a]*": ["[x]", "b`c", "back\\slash", "it's", "plain", "x<y>z", "é"],
    "[^a]*": ["[x]", "b`c", "back\\slash", "it's", "plain", "x<y>z", "é"],
    "?": ["é"],
    "[é]": ["é"],
    "[x]": [],
    "a]b": ["a]b"],
    "*]": ["[x]"],
    "[[]x]": ["[x]"],
    "p[l-l]ain": ["plain"],
    "[a-b-c]*": ["a/b/y", "a/x", "a]b", "b`c", "back\\slash"],
    "[[=a=]/]*": ["a]b"],
    "*": NAMES,
    "a/*": ["a/b/y", "a/x"],
    "*/y": ["a/b/y"],
}


@pytest.mark.parametrize("glob", ANSWERS)
def test_answers_of_the_real_one(glob: str) -> None:
    assert [name for name in NAMES if Glob(glob).matches(name)] == ANSWERS[glob]


@pytest.mark.parametrize("glob", ["[a", "[", "[]", "[!]", "[z-a]", "x[[:alpha:]", "x" * 5000])
def test_globs_that_nobody_means(glob: str) -> None:
    with pytest.raises(BadGlob):
        Glob(glob)


def test_a_slash_stands_for_several_in_paths_only() -> None:
    assert Glob("a/b").matches("a///b")
    assert not Glob("a//b").matches("a/b")
    assert not Glob("a/b", path=False).matches("a//b")


def test_case_and_lines() -> None:
    assert Glob("F?O", ignore_case=True).matches("foo")
    assert not Glob("F?O").matches("foo")
    assert Glob("two", path=False).matches("one\ntwo")
    assert not Glob("one*two", path=False).matches("one\ntwo")


def test_what_would_have_a_backtracking_matcher_search_for_ever() -> None:
    assert not Glob("*a" * 60 + "b").matches("a" * 4000)
    assert Glob("a*" * 2000).matches("a" * 30_000)
    assert not Glob("/?" * 60 + "b").matches("/" * 4000)


@given(st.text(alphabet="ab/*?[]!^-:=.\\'`<>é\udcff"), st.text(alphabet="ab/[]\\'\n é\udcff"))
def test_nothing_breaks_it(glob: str, name: str) -> None:
    try:
        compiled = compile_glob(glob)
    except BadGlob:
        return
    assert compiled.matches(name) in (True, False)


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
def test_plain_globs_match_as_everywhere(glob: str, name: str) -> None:
    from fnmatch import fnmatchcase

    assert Glob(glob).matches(name) == fnmatchcase(name, glob)


class Stop(Exception):
    """There was too much work."""


class Purse:
    """Counts the steps of work, and allows so many."""

    def __init__(self, most: int = 10**9) -> None:
        self.spent = 0
        self._most = most

    def spend(self, steps: int) -> None:
        self.spent += steps
        if self.spent > self._most:
            raise Stop


LONG = "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))  # each character is new


@pytest.mark.parametrize(
    ("glob", "text", "most"),
    [
        ("*.jpg", "photos/" * 10 + "picture.jpg", 200),
        ("x*", LONG * 8, 1100),  # which is over at the first character
        ("*" + "[^a]" * 700, LONG, 30_000),
        ("*[" + "".join(f"{chr(300 + 3 * n)}-{chr(301 + 3 * n)}" for n in range(1000)) + "]", LONG, 30_000),
        ("'`" * 2000, "\n" * 1000, 10_000),
    ],
)
def test_work_is_paid_for(glob: str, text: str, most: int) -> None:
    purse = Purse()
    Glob(glob).matches(text, purse.spend)
    assert 0 < purse.spent <= most


def test_no_more_work_is_done_than_is_paid_for() -> None:
    compiled = Glob("*" + "".join(f"[^{chr(200 + n)}]" for n in range(1000)))
    purse = Purse(50_000)
    with pytest.raises(Stop):
        compiled.matches(LONG, purse.spend)
    assert purse.spent < 60_000
    with pytest.raises(Stop):
        Glob("*a" * 500).matches("a" * 1_000_000, Purse(50_000).spend)


@pytest.mark.parametrize("text", ["[a-cb-dx-z]", "[c-fa-b]", "[^a-zb-c]"])
def test_ranges_that_overlap(text: str) -> None:
    regex = re.compile(text)
    for character in map(chr, range(33, 127)):
        assert Glob(text).matches(character) == bool(regex.fullmatch(character)), character


def test_long_globs_are_not_kept() -> None:
    assert compile_glob("*a") is compile_glob("*a")
    assert compile_glob("*a" * 1000) is not compile_glob("*a" * 1000)
