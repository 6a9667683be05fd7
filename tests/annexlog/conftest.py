"""Repositories of the real git-annex, with our journal and committer for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from annexshell.annexlog.commit import Committer
from annexshell.annexlog.journal import Journal
from annexshell.disk.durable import Durability
from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.disk.scratch import Scratch
from annexshell.git.program import Git
from annexshell.repo.local.parts import nobody
from tests.repo.places import make_repo
from tests.support.branch import Ours
from tests.support.real import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return make_repo(tmp_path / "repo")


@pytest.fixture
def ours(repo: Repo) -> Iterator[Callable[..., Ours]]:
    """ours(private, now) is a journal and a committer of ours in `repo`; each call stands for another process. `now` is
    the time of its facts. With `durable` it waits for the disk."""
    made: list[Ours] = []

    def make(private: Collection[bytes] = (), now: int = 0, repo: Repo = repo, durable: bool = False) -> Ours:
        git = Git(os.fsencode(repo.git_dir), dict(os.environb))
        perms, durability = Perms(None, False, False), Durability(durable)
        locks = FileLocks(perms.new_file)
        annex_dir = os.fsencode(repo.annex_dir)
        scratch = Scratch(annex_dir, locks, perms, durability)
        journal = Journal(annex_dir, git, locks, perms, scratch, durability, private, lambda: now)
        made.append(Ours(git, journal, Committer(git, journal, b"update", nobody)))
        return made[-1]

    yield make
    for each in made:
        each.git.close()
