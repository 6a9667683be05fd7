"""The git-annex branch in tests: files put into it with git alone, and our way to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5

from annexshell.annexlog.commit import Committer
from annexshell.annexlog.journal import Journal
from annexshell.git.program import Git
from tests.support.real import Repo

BRANCH = "refs/heads/git-annex"


@dataclass
class Ours:
    """What one process of ours has for one repository."""

    git: Git
    journal: Journal
    committer: Committer


def put_files(repo: Repo, files: Mapping[str, bytes], ref: str = BRANCH, parent: str | None = BRANCH) -> str:
    """Commits files on top of a parent, or as a history of its own, and moves a ref there, as somebody who pushes
    does; returns the commit."""
    start = "" if parent is None else f"from {parent}^0\n"
    stream = [f"reset {ref}\ncommit {ref}\ncommitter T <t@example.com> 1700000000 +0000\ndata 0\n{start}".encode()]
    stream += [b"M 100644 inline %b\ndata %d\n%b\n" % (os.fsencode(n), len(text), text) for n, text in files.items()]
    command = ["git", "fast-import", "--quiet", "--force", "--done"]
    subprocess.run(command, input=b"".join([*stream, b"done\n"]), cwd=repo.path, check=True)
    return repo.git("rev-parse", ref).strip()


def in_branch(repo: Repo, path: str, ref: str = BRANCH) -> bytes:
    """The content of a file, empty if there is none."""
    done = subprocess.run(["git", "cat-file", "blob", f"{ref}:{path}"], cwd=repo.path, capture_output=True)
    return done.stdout


def log_path(key: str) -> str:
    """Where the location log of a key is, in a repository with the usual two levels of directories."""
    digest = md5(key.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:3]}/{digest[3:6]}/{key}.log"
