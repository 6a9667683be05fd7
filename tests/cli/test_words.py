"""Words of a command, as a shell would take them: what is split is what a shell splits, and nothing else happens."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.cli.words import quote, split
from annexshell.errors import BadUsage

TEXTS = st.text(st.sampled_from("ab/~-=.é'\"\\ \t\n$`;&|<>(){}*?[]!#"), max_size=12)


@given(st.lists(TEXTS, max_size=4))
def test_what_is_quoted_comes_back(words: list[str]) -> None:
    assert split(" ".join(map(quote, words))) == words
    assert split("\t ".join(map(shlex.quote, words))) == words


@given(st.text(st.sampled_from("ab'\"\\ \t"), max_size=12))
def test_as_another_does_it(text: str) -> None:
    """shlex knows no other escapes in double quotes, and none is in these texts; it refuses a last backslash."""
    try:
        expected = shlex.split(text)
    except ValueError:
        if not text.endswith("\\"):
            with pytest.raises(BadUsage):
                split(text)
    else:
        assert split(text) == expected


@settings(max_examples=1)
@given(st.lists(TEXTS, min_size=50, max_size=100))
def test_a_shell_takes_quoted_words_as_they_are(words: list[str]) -> None:
    command = "printf '%s\\0' " + " ".join(map(quote, words))
    assert subprocess.run(["sh", "-c", command], capture_output=True).stdout.decode().split("\0")[:-1] == words


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("git-annex-shell 'configlist' '/srv/it'\"'\"'s'", ["git-annex-shell", "configlist", "/srv/it's"]),
        ("git-upload-pack '/srv/it'\\''s'\\!", ["git-upload-pack", "/srv/it's!"]),
        ("a''b \"\" ''", ["ab", "", ""]),
        ('"a\\$b\\`c\\\\d\\e\\"f"', ['a$b`c\\d\\e"f']),
        ("a\\\nb 'c\\\nd'", ["ab", "c\\\nd"]),
        ("$(id) `id` ;id & id|id >x", ["$(id)", "`id`", ";id", "&", "id|id", ">x"]),
        ("a\nb", ["a", "b"]),
        ("a\\", ["a"]),
        (" \t\n", []),
    ],
)
def test_examples(command: str, words: list[str]) -> None:
    """Among them the quoting of git-annex and of git."""
    assert split(command) == words


@pytest.mark.parametrize("command", ["'", '"', "a 'b", 'a "b\\"', "'a'b'", "\"a'"])
def test_a_quote_that_is_not_closed(command: str) -> None:
    with pytest.raises(BadUsage, match="a quote is not closed"):
        split(command)


def test_long_commands_take_no_long_time() -> None:
    word = "'" + "x" * 50_000 + "'\\'\"" + "y" * 50_000 + '"'
    assert split(f"{word} {word}") == ["x" * 50_000 + "'" + "y" * 50_000] * 2
