"""What the path of a url leads to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.green.tasks import Tasks
from annexshell.serve.http.repositories.places import Places
from tests.support.real import run

ENV = dict(os.environb)
Tasks().offload(lambda: None)  # threads have file descriptors of their own


def bare(path: Path) -> Path:
    run("git", "init", "-q", "--bare", path)
    return path


def tree(path: Path) -> Path:
    run("git", "init", "-q", path)
    return path


class Served:
    def __init__(self, *tops: Path, single: Path | None = None) -> None:
        self.places = Places([bytes(top) for top in tops], None if single is None else bytes(single), ENV, Tasks())

    def found(self, path: str) -> str:
        """The directory that a path leads to, empty if there is none."""
        words = [word.encode() for word in path.split("/") if word]
        for candidate in self.places.candidates(words):
            place = self.places.find(candidate)
            if place is not None:
                assert place.path == candidate
                return os.fsdecode(candidate)
        return ""


def test_names(tmp_path: Path) -> None:
    served = Served(tmp_path)
    bare(tmp_path / "photos.git")
    tree(tmp_path / "films")
    bare(tmp_path / "deep" / "er" / "x.git")
    for name in ("photos", "photos.git"):
        assert served.found(name) == str(tmp_path / "photos.git")
    for name in ("films", "films.git"):
        assert served.found(name) == str(tmp_path / "films")
    assert served.found("deep/er/x") == str(tmp_path / "deep/er/x.git")
    for name in ("", "deep", "deep/er", "photo", "films/.git", "films/sub", "x" * 300, "photos/refs"):
        assert served.found(name) == "", name


def test_the_exact_name_comes_first(tmp_path: Path) -> None:
    served = Served(tmp_path)
    bare(tmp_path / "a.git")
    tree(tmp_path / "a")
    assert served.found("a") == str(tmp_path / "a")
    assert served.found("a.git") == str(tmp_path / "a.git")


def test_repositories_inside_of_others(tmp_path: Path) -> None:
    served = Served(tmp_path)
    sup = tree(tmp_path / "sup")
    tree(sup / "sub")
    tree(sup / "plain" / "sub" / "sub")
    assert served.found("sup/sub") == str(sup / "sub")
    assert served.found("sup/plain/sub/sub") == str(sup / "plain/sub/sub")
    outer = bare(tmp_path / "outer")
    bare(outer / "inner")
    tree(outer / "tree")
    assert served.found("outer/inner") == str(outer / "inner")
    assert served.found("outer/tree") == str(outer / "tree")


def test_a_submodule(tmp_path: Path) -> None:
    origin = tree(tmp_path / "elsewhere")
    run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=origin)
    sup = tree(tmp_path / "all" / "sup")
    run("git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", origin, "sub", cwd=sup)
    assert (sup / "sub" / ".git").is_file()
    assert Served(tmp_path / "all").found("sup/sub") == str(sup / "sub")
    assert Served(tmp_path / "all").found("sup/.git/modules/sub") == ""


def test_what_somebody_may_have_pushed_leads_nowhere(tmp_path: Path) -> None:
    served = Served(tmp_path / "all")
    sup = tree(tmp_path / "all" / "sup")
    bare(sup / "evil")  # files in a work tree that look like a repository, hooks and all
    tree(sup / "sub")
    bare(sup / "sub" / "evil")
    secret = bare(tmp_path / "secret")
    (sup / "link").symlink_to(secret)
    (sup / "up").symlink_to(tmp_path)
    for name in ("sup/evil", "sup/sub/evil", "sup/link", "sup/up", "sup/up/secret", "sup/up/all/sup"):
        assert served.found(name) == "", name
    outer = bare(tmp_path / "all" / "outer")
    bare(outer / "refs" / "heads" / "evil")
    bare(outer / "annex" / "evil")
    (outer / "link").symlink_to(secret)
    for name in ("outer/refs/heads/evil", "outer/ReFs/heads/evil", "outer/annex/evil", "outer/link"):
        assert served.found(name) == "", name


def test_links_that_the_administrator_made(tmp_path: Path) -> None:
    served = Served(tmp_path / "all")
    (tmp_path / "all").mkdir()
    bare(tmp_path / "real" / "repo.git")
    (tmp_path / "all" / "linked.git").symlink_to(tmp_path / "real" / "repo.git")
    (tmp_path / "all" / "directory").symlink_to(tmp_path / "real")
    assert served.found("linked") == str(tmp_path / "all" / "linked.git")
    assert served.found("directory/repo") == ""


def test_one_repository_alone(tmp_path: Path) -> None:
    sup = tree(tmp_path / "sup")
    tree(sup / "sub")
    tree(tmp_path / "beside")
    served = Served(single=sup)
    assert served.found("") == str(sup)
    assert served.found("sub") == str(sup / "sub")
    assert served.found("sup") == served.found("beside") == ""


def test_several_directories(tmp_path: Path) -> None:
    bare(tmp_path / "two" / "x.git")
    served = Served(tmp_path / "one", tmp_path / "two")
    assert served.found("x") == str(tmp_path / "two" / "x.git")


def test_what_changes_is_seen(tmp_path: Path) -> None:
    served = Served(tmp_path)
    made = bare(tmp_path / "x.git")
    place = served.places.find(bytes(made))
    assert place is not None
    assert place.uuid == b""
    assert place.is_trusted
    run("git", "config", "annex.uuid", "some", cwd=made)
    again = served.places.find(bytes(made))
    assert again is not None
    assert again.uuid == b"some"
    run("rm", "-rf", made)
    assert served.places.find(bytes(made)) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository away")
def test_whose_it_is(tmp_path: Path) -> None:
    served = Served(tmp_path)
    made = bare(tmp_path / "x.git")
    os.chown(made, 12345, 12345)
    place = served.places.find(bytes(made))
    assert place is not None
    assert not place.is_trusted
