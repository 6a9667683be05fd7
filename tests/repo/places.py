"""Repositories on disk for tests: made fast, from templates, and opened in this process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from annexshell.annexlog.sizes import RepositorySizes
from annexshell.repo.local.opening import local_repository, open_local, open_parts
from annexshell.repo.local.parts import nobody
from annexshell.repo.local.quota import LimitedRepository, Quota
from annexshell.repo.local.repository import LocalRepository
from tests.conftest import CLIENT_UUID
from tests.support.real import Repo, run

_templates: dict[tuple[object, ...], Path] = {}


def make_repo(path: Path, bare: bool = False, version: int = 10, shared: str = "", clone: int = 0) -> Repo:
    """A repository that the real git-annex made. All of the same kind are copies of one, and have its uuid; with
    another number in `clone` it is another one's."""
    kind = (bare, version, shared, clone)
    if kind not in _templates:
        directory = Path(tempfile.mkdtemp(prefix="template-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        _templates[kind] = _make_template(directory / "repo", bare, version, shared)
    shutil.copytree(_templates[kind], path, symlinks=True)
    return existing(path)


def existing(path: Path) -> Repo:
    """A repository that is there already."""
    repo = Repo.__new__(Repo)
    repo.path = path
    repo.git_dir = path / ".git" if (path / ".git").exists() else path
    repo.annex_dir = repo.git_dir / "annex"
    return repo


def _make_template(path: Path, bare: bool, version: int, shared: str) -> Path:
    options = [*(["--bare"] if bare else []), *([f"--shared={shared}"] if shared else [])]
    run("git", "init", "-q", *options, path)
    run("git", "annex", "init", "-q", "a repository", f"--version={version}", cwd=path)
    run("git", "config", "annex.autoupgraderepository", "false", cwd=path)
    for sample in path.rglob("hooks/*.sample"):
        sample.unlink()
    assert run("git", "config", "annex.version", cwd=path) == f"{version}\n"
    return path


def open_repo(repo: Repo, warnings: list[str] | None = None, client: str = CLIENT_UUID) -> LocalRepository:
    """The repository, opened in this process; to be closed."""
    told = [] if warnings is None else warnings
    return open_local(os.fsencode(repo.path), dict(os.environb), client.encode(), told.append)


def limited(repo: Repo, size: int | None = None, user_size: int | None = None, user: bytes = b"") -> LimitedRepository:
    """The repository with quotas, opened in this process; to be closed."""
    parts = open_parts(os.fsencode(repo.path), dict(os.environb), print)
    sizes = RepositorySizes(parts.git, parts.journal, list, parts.annex.locks, parts.annex.perms, nobody)
    inner = local_repository(parts, CLIENT_UUID.encode())
    return LimitedRepository(inner, parts, Quota(parts, size, user_size), sizes, user)


def waiting_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Returns as soon as something is so that another process does; fails if it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.002)
