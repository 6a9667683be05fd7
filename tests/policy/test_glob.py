"""Globs: what the real git-annex answered, and that no glob is slow or breaks anything."""

from __future__ import annotations

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
