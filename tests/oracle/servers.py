"""Repositories to be served, in every shape that a server may hold them, and what has to be true of one afterwards."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.real import Repo, run

_PATIENCE = 20.0  # seconds
_TUNINGS = ("objecthash1", "objecthashlower", "branchhash1")

# What git-annex keeps in AD for itself (found there after real sessions, too), besides objects; and what we do.
_AT_HOME = (
    "fsck",
    "keysdb",
    "othertmp",
    "sentinal",
    "verified-remote",
    "reposize",
    "export",
    "cidsdb",
    "smudge",
    "annexshell",
)
_FILES_AT_HOME = ("index", "index.lck", "journal.lck", "keysdb.lck", "othertmp.lck", "restage.lck", "gitqueue.lck")


class Server:
    """A repository to be served: `path` is its DIRECTORY, below `home`, the home directory of the server's accounts."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path = path
        self._home = home
        self.repo = existing(path)
        self.annex_dir = Path(os.path.realpath(path / self.repo.git("rev-parse", "--git-common-dir").strip())) / "annex"

    @property
    def uuid(self) -> str:
        return self.repo.uuid

    def objects(self) -> set[str]:
        """The keys that have content here."""
        return objects(self.annex_dir)

    def wait_for_sessions(self) -> None:
        """Until every session has ended: a client need not wait for that."""
        deadline = time.monotonic() + _PATIENCE
        while sessions := _sessions(self._home):
            assert time.monotonic() < deadline, f"sessions go on: {sessions}"
            time.sleep(0.01)

    def check(self, lost: bool = False) -> None:
        """Fails unless the last session has left everything committed, nothing in the way, and a repository that git
        and the real git-annex are content with. `lost` is for keys that nobody has any more, and rightly so."""
        self.wait_for_sessions()
        rubbish = leftovers(self.annex_dir)
        assert not rubbish, f"left behind: {rubbish}"
        self.repo.git("fsck", "--strict", "--no-dangling")
        found = complaints(self.repo, lost)
        assert not found, f"git annex fsck: {found}"


def complaints(repo: Repo, lost: bool = False) -> list[str]:
    """What the real `git annex fsck` has to say of all contents in a repository, or to put right."""
    output = repo.annex("fsck", "--all", "--json", "--json-error-messages", check=False)
    found = []
    for line in output.splitlines():
        result = json.loads(line)
        errors = [text for text in result["error-messages"] if not (lost and "No known copies" in text)]
        note = result.get("note", "")
        if errors or "fixing" in note:
            found.append(f"{result['key']}: {errors} {note}")
    return found


def objects(annex_dir: Path) -> set[str]:
    """The keys that have content below an annex directory."""
    found = (annex_dir / "objects").rglob("*")
    return {file.name for file in found if file.is_file() and file.name == file.parent.name}


def existing(path: Path) -> Repo:
    """A repository that is there already."""
    repo = Repo.__new__(Repo)
    repo.path = path
    repo.git_dir = path / ".git" if (path / ".git").exists() else path
    repo.annex_dir = repo.git_dir / "annex"
    return repo


def leftovers(annex_dir: Path) -> list[str]:
    """What sessions should not leave behind: journal and temporary files, locks, notes of transfers."""
    found = []
    for directory, _, files in os.walk(annex_dir):
        for name in files:
            path = Path(directory, name).relative_to(annex_dir)
            is_object = path.parts[0] == "objects" and path.name == path.parent.name
            at_home = path.parts[0].startswith(_AT_HOME) or str(path) in _FILES_AT_HOME
            if not is_object and not at_home and path.name not in ("mergedrefs", "ignoredrefs"):
                found.append(str(path))
    return sorted(found)


def _sessions(home: Path) -> list[bytes]:
    """The processes that have this HOME, which nobody has but sessions on the server."""
    mark = b"HOME=%b" % os.fsencode(home)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" "))
            except OSError:  # it has ended just now, or is somebody else's
                continue
    return found


def _worktree(path: Path) -> Path:
    repo = Repo(path)
    repo.git("config", "receive.denyCurrentBranch", "updateInstead")
    return path


def _bare(path: Path) -> Path:
    Repo(path, bare=True)
    return path


def _old_version(path: Path) -> Path:
    repo = Repo(path, version=8)
    repo.git("config", "annex.autoupgraderepository", "false")
    assert repo.git("config", "annex.version") == "8\n"
    return path


def _group(path: Path) -> Path:
    run("git", "init", "-q", "--bare", "--shared=group", path)
    run("git", "annex", "init", "-q", "group", cwd=path)
    return path


def _tuned(path: Path) -> Path:
    run("git", "init", "-q", path)
    tunings = [word for name in _TUNINGS for word in ("-c", f"annex.tune.{name}=true")]
    run("git", "annex", "init", "-q", "tuned", *tunings, cwd=path)
    return path


def _linked(path: Path) -> Path:
    """A linked worktree whose .git is a file still, as git made it."""
    main = _worktree(path.with_name("main"))
    run("git", "commit", "-q", "--allow-empty", "-m", "start", cwd=main)
    run("git", "-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", "-b", "linked", path, cwd=main)
    assert (path / ".git").is_file()
    return path


def _submodule(path: Path) -> Path:
    """A submodule whose .git is a file still: made from an annex, and not initialised by anybody yet."""
    origin = Repo(path.with_name("origin"))
    origin.git("commit", "-q", "--allow-empty", "-m", "start")
    outer = path.with_name("super")
    run("git", "init", "-q", outer)
    run("git", "submodule", "--quiet", "add", origin.path, path.name, cwd=outer)
    shutil.rmtree(origin.path / ".git" / "annex" / "journal", ignore_errors=True)
    assert (outer / path.name / ".git").is_file()
    return outer / path.name


SHAPES: dict[str, Callable[[Path], Path]] = {
    "worktree": _worktree,
    "bare": _bare,
    "old version": _old_version,
    "group": _group,
    "tuned": _tuned,
    "linked worktree": _linked,
    "submodule": _submodule,
}


def make_server(shape: str, home: Path, name: str) -> Server:
    """A repository of this shape, of this name unless the shape has something above it."""
    return Server(SHAPES[shape](home / name), home)
