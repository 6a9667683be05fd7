"""The contents of keys, and what that means for a work tree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from annexshell.model.key import parse_key
from annexshell.repo.local.contents import WorkTree
from annexshell.repo.local.once import Once
from annexshell.repo.local.parts import Parts
from tests.support.client import sha256_key

CONTENT = b"content"
KEY = parse_key(sha256_key(CONTENT).encode())
VURL = parse_key(b"VURL--http://example.com/x")


def know(parts: Parts, *lines: bytes) -> None:
    path = parts.annex.layout.equivalents_log(VURL)
    parts.journal.change(path, b"", lambda _: b"".join(b"5s 1 %b\n" % line for line in lines))


def test_a_file_holds_the_content_of_a_key(parts: Parts, tmp_path: Path) -> None:
    keys = parts.contents.keys
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert keys.holds(bytes(path), KEY)
    path.write_bytes(b"CONTENT")
    assert not keys.holds(bytes(path), KEY)


def test_a_key_whose_content_others_name(parts: Parts, tmp_path: Path) -> None:
    keys = parts.contents.keys
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert keys.is_secure(VURL)  # the first download says what it is
    know(parts, KEY.serialized, b"no key")
    assert [key.serialized for key in keys.equivalents(VURL)] == [KEY.serialized]
    assert keys.is_secure(VURL)
    assert keys.holds(bytes(path), VURL)
    know(parts, KEY.serialized, b"WORM--x")
    assert not keys.is_secure(VURL)


def test_keys_with_secure_hashes(parts: Parts) -> None:
    keys = parts.contents.keys
    assert keys.is_secure(KEY)
    assert not keys.is_secure(parse_key(b"WORM-s1--x"))
    assert not keys.is_secure(parse_key(b"MD5-s1--d41d8cd98f00b204e9800998ecf8427e"))


def test_nothing_is_made_for_a_look(parts: Parts) -> None:
    contents = parts.contents
    assert not contents.objects.present(KEY)
    made = [once.is_made for once in (contents.locks, contents.protection, contents.space, contents.unlocked)]
    assert made == [False] * 4


def test_a_repository_without_a_work_tree(parts: Parts, tmp_path: Path) -> None:
    unused: Any = None
    tree = WorkTree(Once(lambda: None), unused)
    tree.stored(KEY, b"path")
    tree.removed(KEY)
    assert not tree.has_files(KEY)
    assert tree.is_unmodified(KEY, os.fsencode(tmp_path))
    assert not tree.is_unmodified(KEY, os.fsencode(tmp_path / "nothing"))
