"""Which user stored which key."""

from __future__ import annotations

import os
from pathlib import Path

from annexshell.model.key import parse_key
from annexshell.repo.local.parts import Parts
from annexshell.repo.local.uploaders import Uploaders

SIZED, UNSIZED = parse_key(b"WORM-s5--a"), parse_key(b"WORM--b")


def file_of(parts: Parts) -> Path:
    return Path(os.fsdecode(parts.paths.annex_dir)) / "annexshell/uploaders"


def test_sums(parts: Parts) -> None:
    one, other = Uploaders(parts), Uploaders(parts)
    assert (one.of(b"joe"), one.unsized()) == (0, 0)
    one.note(5, b"joe", SIZED)
    other.note(7, b"joe", UNSIZED)
    other.note(1, b"a user\n", SIZED)
    for uploaders in (one, other, Uploaders(parts)):
        assert (uploaders.of(b"joe"), uploaders.of(b"a user\n"), uploaders.of(b"nobody")) == (12, 1, 0)
        assert uploaders.unsized() == 7


def test_what_is_gone_counts_no_longer_once_that_is_compared(parts: Parts) -> None:
    uploaders = Uploaders(parts)
    uploaders.note(5, b"joe", SIZED)
    uploaders.note(7, b"joe", UNSIZED)
    assert uploaders.compare(lambda key: key.size is not None)
    assert (uploaders.of(b"joe"), uploaders.unsized()) == (5, 0)


def test_of_a_key_that_came_twice_the_last_upload_counts(parts: Parts) -> None:
    uploaders = Uploaders(parts)
    uploaders.note(5, b"joe", SIZED)
    uploaders.note(5, b"ann", SIZED)
    assert uploaders.compare(lambda _key: True)
    assert (uploaders.of(b"joe"), uploaders.of(b"ann")) == (0, 5)


def test_damaged_lines_say_nothing(parts: Parts) -> None:
    uploaders = Uploaders(parts)
    uploaders.note(5, b"joe", SIZED)
    with file_of(parts).open("ab") as file:
        file.write(b"x joe WORM-s5--a\n5 joe nonsense\n5\n\n9 joe WORM-s9--half")
    assert uploaders.of(b"joe") == 5


def test_the_file_may_be_deleted(parts: Parts) -> None:
    uploaders = Uploaders(parts)
    uploaders.note(5, b"joe", SIZED)
    assert uploaders.of(b"joe") == 5
    file_of(parts).unlink()
    assert uploaders.of(b"joe") == 0
