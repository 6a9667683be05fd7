"""git's attributes."""

from __future__ import annotations

import os

from annexshell.git.attributes import Attributes
from annexshell.git.program import Git
from tests.support.real import Repo


def attributes_of(repo: Repo, bare: bool = False) -> Attributes:
    git = Git(os.fsencode(repo.git_dir), dict(os.environb))
    return Attributes(git, None if bare else os.fsencode(repo.path))


def test_values(repo: Repo) -> None:
    (repo.path / ".gitattributes").write_text("*.txt annex.numcopies=3\n*.set annex.numcopies\n")
    attributes = attributes_of(repo)
    assert attributes.get(b"no/such/file.txt", b"annex.numcopies") == b"3"
    assert attributes.get(b"x.txt", b"annex.backend") is None
    assert attributes.get(b"x.set", b"annex.numcopies") is None
    assert attributes.get("é\n.txt".encode(), b"annex.numcopies") == b"3"
    attributes.close()


def test_changes_are_seen(repo: Repo) -> None:
    attributes = attributes_of(repo)
    assert attributes.get(b"x", b"annex.numcopies") is None
    (repo.path / ".gitattributes").write_text("x annex.numcopies=2\n")
    assert attributes.get(b"x", b"annex.numcopies") == b"2"
    attributes.close()


def test_names_that_git_would_not_take(repo: Repo) -> None:
    attributes = attributes_of(repo)
    for name in (b"../x", b"a/../../x", b"/x", b"a\0b"):
        assert attributes.get(name, b"annex.numcopies") is None
    assert attributes.get(b"", b"annex.numcopies") is None
    assert attributes.get(b"x", b"annex.numcopies") is None
    attributes.close()


def test_bare(bare: Repo) -> None:
    attributes = attributes_of(bare, bare=True)
    assert attributes.get(b"x", b"annex.numcopies") is None
    attributes.close()
