"""What the doctor says of a repository."""

from __future__ import annotations

import os

import pytest

from annexshell.cli.admin.watching.doctor.repository import (
    RepositoryFacts,
    Room,
    check_branch,
    check_ownership,
    check_permissions,
    check_space,
    check_version,
    look,
)
from annexshell.git.config import Config
from annexshell.git.paths import locate
from annexshell.git.program import Git
from tests.support.real import Repo


def served(
    uid: int = 4243,
    owner: int = 4243,
    git_agrees: bool = True,
    unwritable: list[str] | None = None,
    free: int = 10**9,
    inodes: int | None = None,
    read_only: bool = False,
    head: str = "refs/heads/main",
    branches: tuple[str, ...] = (),
) -> RepositoryFacts:
    room = Room(unwritable or [], free, inodes, read_only)
    return RepositoryFacts("/srv/a", uid, owner, git_agrees, room, head, [*branches])


def config(**values: str) -> Config:
    return Config((f"annex.{name}", value.encode()) for name, value in values.items())


@pytest.mark.parametrize(
    ("facts", "status", "text"),
    [
        (served(), "ok", "4243"),
        (served(uid=0, owner=0), "ok", "root"),
        (served(owner=4242), "ok", "4242"),
        (served(owner=4242, git_agrees=False), "error", "git config --global --add safe.directory /srv/a"),
        (
            served(uid=0, owner=4242, git_agrees=False),
            "warning",
            "use: su 4242 -s /bin/sh -c 'annexshell doctor /srv/a'",
        ),
    ],
)
def test_ownership(facts: RepositoryFacts, status: str, text: str) -> None:
    (found,) = check_ownership(facts)
    assert found.status == status
    assert text in found.text


def test_permissions() -> None:
    assert [found.status for found in check_permissions(served())] == ["ok"]
    for paths, said in (
        (
            ["/srv/a/annex", "/srv/a/objects"],
            "the account 4243 can't write to /srv/a/annex, /srv/a/objects; use: chown -R 4243 /srv/a, as root",
        ),
        (["/a", "/b", "/c", "/d", "/e"], "write to /a, /b, /c and 2 more; use"),
    ):
        (found,) = check_permissions(served(unwritable=paths))
        assert found.status == "error"
        assert said in found.text
    (only,) = check_permissions(served(unwritable=["/srv/a", "/srv/a/objects"], read_only=True))
    assert only.status == "error"
    assert "mounted read-only" in only.text


@pytest.mark.parametrize(
    ("head", "branches", "status", "text"),
    [
        ("main", ["git-annex", "main"], "ok", "main"),
        ("master", ["git-annex", "synced/main"], "ok", "master"),
        ("", ["main"], "ok", "HEAD names none"),
        (
            "master",
            ["git-annex", "later", "main"],
            "warning",
            "use: git symbolic-ref HEAD refs/heads/main",
        ),
        ("master", ["trunk"], "warning", "symbolic-ref HEAD refs/heads/trunk"),
    ],
)
def test_the_branch_that_a_clone_checks_out(head: str, branches: list[str], status: str, text: str) -> None:
    facts = served(head=head and f"refs/heads/{head}", branches=(*(f"refs/heads/{name}" for name in branches),))
    (found,) = check_branch(facts)
    assert found.status == status
    assert text in found.text


@pytest.mark.parametrize(
    ("values", "status", "text"),
    [
        ({"uuid": "u", "version": "10"}, "ok", "10"),
        ({"uuid": "u", "version": "8"}, "warning", "git annex upgrade"),
        ({"uuid": "u", "version": "11"}, "warning", "newer"),
        ({"uuid": "u", "version": "5"}, "error", "git annex upgrade"),
        ({"uuid": "u"}, "error", "is not set"),
        ({"version": "10"}, "error", "annexshell init"),
    ],
)
def test_version(values: dict[str, str], status: str, text: str) -> None:
    (found,) = check_version(config(**values))
    assert found.status == status
    assert text in found.text


@pytest.mark.parametrize(
    ("facts", "reserve", "statuses"),
    [
        (served(free=200_000_000), "", "ok"),
        (served(free=199_999_999), "", "warning"),
        (served(free=100_000_001), "", "warning"),
        (served(free=100_000_000), "", "error"),
        (served(free=2000), "1kB", "ok"),
        (served(free=10**9), "1 GB", "error"),
        (served(free=10**9), "lots", "warning ok"),
        (served(inodes=5000), "", "ok"),
        (served(inodes=5), "", "error"),
    ],
)
def test_space(facts: RepositoryFacts, reserve: str, statuses: str) -> None:
    found = check_space(facts, config(diskreserve=reserve) if reserve else config())
    assert " ".join(each.status for each in found) == statuses


def test_what_is_found_out(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = locate(bytes(repo.path))
    refused = os.fsencode(repo.annex_dir)
    monkeypatch.setattr(os, "access", lambda path, _mode: not path.startswith(refused))
    facts = look(paths, Git(paths.git_dir, dict(os.environb)))
    assert (facts.directory, facts.uid, facts.owner) == (str(repo.path), os.geteuid(), os.geteuid())
    assert facts.git_agrees
    assert facts.room.unwritable == [os.fsdecode(refused)], "and nothing of what is below it"
    assert facts.room.free > 0
    env = {**os.environb, b"GIT_TEST_ASSUME_DIFFERENT_OWNER": b"1"}
    assert not look(paths, Git(paths.git_dir, env)).git_agrees
