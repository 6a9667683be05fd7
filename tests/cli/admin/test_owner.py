"""Root on a repository of another account: who looks leaves nothing behind, and who changes something does so as its
owner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from annexshell.cli.admin.owner import as_owner
from annexshell.errors import AnnexshellError
from annexshell.git.paths import locate
from tests.repo.ordinary import Person, ordinary_people
from tests.support.admin import Done, ours, succeed
from tests.support.httpserver import Server

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be two accounts")


class Place:
    """A gateway `gw` with the nodes n1 and n2, which belong to an account."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.top = person.home
        self.gw = self.top / "gw"
        for name in ("gw", "n1", "n2"):
            person.run("git", "init", "-q", "--bare", name)
            succeed(ours(self.top, "init", f"--repo={name}", name))
        for name in ("n1", "n2"):
            person.run("git", "-C", self.gw, "remote", "add", name, str(self.top / name))
        for words in (("initcluster", "c"), ("addnode", "c", "n1"), ("group", "n1", "g"), ("maxsize", "n1", "1GB")):
            succeed(ours(self.gw, *words))
        (self.gw / "annex/journal").mkdir(exist_ok=True)
        os.chown(self.gw / "annex/journal", *person.ids)

    def tree(self) -> set[tuple[str, int, int]]:
        """All that there is, whose it is, and when it was changed."""
        found = set()
        for top, directories, files in os.walk(self.top):
            for name in (*directories, *files):
                info = os.lstat(os.path.join(top, name))
                found.add((os.path.join(top, name), info.st_uid, info.st_mtime_ns))
        return found


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with ordinary_people() as people:
        yield Place(people.persons[0])


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "--json"),
        ("top", "--count=1"),
        ("info", "--repo=gw"),
        ("doctor", "gw"),
        ("settings", "gw"),
        ("sim", "--repo=gw", "--keys=10"),
    ],
    ids=" ".join,
)
def test_who_looks_leaves_nothing(place: Place, words: tuple[str, ...]) -> None:
    journal = place.gw / "annex/journal/x.log"
    journal.write_text("a fact\n")
    before = place.tree()
    done = ours(place.top, *words)
    assert place.tree() == before
    assert done.code in ((0,) if words[0] != "doctor" else (0, 1, 2)), done
    journal.unlink()


def test_sizes_and_nodes_are_seen(place: Place) -> None:
    text = succeed(ours(place.top, "status", "gw"))
    assert "n1 in c: answers, 0 B of 1 GB (0 % full)" in text


def test_the_doctor_says_who_has_to_ask_it(place: Place) -> None:
    done = ours(place.top, "doctor", "-q", "gw")
    name = place.person.name
    assert f"su {name} -s /bin/sh -c 'annexshell doctor {place.gw}'" in done.out
    assert "permissions: " not in done.out.replace("ssh-permissions", "")


@pytest.mark.parametrize(
    "words",
    [
        ("init", "another name"),
        ("wanted", "here", "nothing"),
        ("group", "here", "gateways"),
        ("maxsize", "n1", "2GB"),
        ("maxsize",),
        ("addnode", "c", "n2"),
        ("updatecluster",),
        ("removenode", "c", "n2"),
    ],
    ids=" ".join,
)
def test_who_changes_something_is_the_owner(place: Place, words: tuple[str, ...]) -> None:
    succeed(ours(place.gw, *words))
    assert {uid for path, uid, _ in place.tree() if ".gitconfig" not in path} == {place.person.ids[0]}


def test_from_where_the_owner_may_not_be(place: Place, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done: Done = ours(tmp_path, "wanted", f"--repo={place.gw}", "here", "anything")
    succeed(done)


def test_what_the_owner_fails_at(place: Place) -> None:
    def fail() -> None:
        raise AnnexshellError("no luck")

    paths = locate(bytes(place.gw))
    assert as_owner(paths, os.geteuid) == place.person.ids[0]
    with pytest.raises(AnnexshellError, match="no luck"):
        as_owner(paths, fail)
    with pytest.raises(AnnexshellError, match="ended without an answer"):
        as_owner(paths, lambda: os._exit(3))
    with pytest.raises(AnnexshellError, match="internal error"):
        as_owner(paths, lambda: 1 // 0)


def test_a_server_of_root(place: Place, tmp_path: Path) -> None:
    """It goes on, and says what comes of it; of its own it says nothing."""
    for directory, options in ((place.gw, []), (tmp_path, [f"--directory={place.top}"])):
        server = Server(directory, "--wideopen", "--cpus=1", *options)
        assert f"{place.gw} belongs to {place.person.name}, and what root stores there will be root's" in server.stop()
