"""Unlocked files of the work tree during sessions, side by side with the real git-annex-shell."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.repo.places import existing
from tests.store.conftest import Connect
from tests.support.client import Client
from tests.support.real import Repo

SIDES = ["ours", "real"]
CONTENT = b"content of several files\n"
EDITED = b"what the user makes of it\n"
KEY = f"SHA256E-s{len(CONTENT)}--{hashlib.sha256(CONTENT).hexdigest()}.txt"
POINTER = f"/annex/objects/{KEY}\n".encode()
FILES = ("file.txt", "dir/copy.txt", "run.txt")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unlocked")


@pytest.fixture
def template(cache: Path) -> Path:
    """A clone without contents of a repository with unlocked files of one content, and a locked one."""
    clone = cache / "template"
    if clone.exists():
        return clone
    origin = Repo(cache / "origin")
    (origin.path / "dir").mkdir()
    for name in (*FILES, "locked.txt"):
        (origin.path / name).write_bytes(CONTENT)
    (origin.path / "run.txt").chmod(0o755)
    origin.annex("add", "-q", "locked.txt")
    origin.git("-c", "annex.addunlocked=true", "annex", "add", "-q", ".")
    origin.git("update-index", "--chmod=+x", "run.txt")
    origin.git("commit", "-q", "-m", "files")
    origin.git("clone", "-q", str(origin.path), str(clone))
    repo = existing(clone)
    repo.annex("init", "-q", "clone")
    repo.annex("fsck", "-q", "--fast")
    return clone


class Sides:
    """Copies of one repository, of which each is served by another program."""

    def __init__(self, template: Path, directory: Path, connect: Connect, settings: dict[str, str]) -> None:
        self._connect = connect
        self.repos = {}
        for side in SIDES:
            self.repos[side] = existing(shutil.copytree(template, directory / side, symlinks=True))
            for name, value in settings.items():
                self.repos[side].git("config", name, value)

    def both(self, action: Callable[[Repo], object]) -> None:
        for repo in self.repos.values():
            action(repo)

    def ask(self, request: Callable[[Client], str], answer: str = "SUCCESS") -> None:
        """A session of its own for a request."""
        for side, repo in self.repos.items():
            client = self._connect(side, repo)
            assert request(client) == answer, side
            assert client.close() == (0, ""), side

    def alike(self) -> dict[str, object]:
        """What there is to see, which must be the same in both."""
        states = [state(repo) for repo in self.repos.values()]
        assert states[0] == states[1]
        return states[0]


def state(repo: Repo) -> dict[str, object]:
    """Files with their content, whether they may be executed and whether they are links; and what is said of them."""
    names = [name for name in repo.git("ls-files", "-co").splitlines() if os.path.lexists(repo.path / name)]
    seen: dict[str, object] = {
        name: (
            (repo.path / name).read_bytes() if os.path.exists(repo.path / name) else None,
            os.access(repo.path / name, os.X_OK),
            (repo.path / name).is_symlink(),
        )
        for name in names
    }
    seen["git"] = sorted(repo.git("status", "--porcelain").splitlines())
    seen["here"] = sorted(repo.annex("find").split())
    return seen


def contents(seen: dict[str, Any]) -> list[bytes]:
    return [seen[name][0] for name in FILES]


def put(client: Client) -> str:
    return client.put(KEY, CONTENT)


def remove(client: Client) -> str:
    return client.ask(f"REMOVE {KEY}")


@pytest.mark.parametrize("settings", [{}, {"annex.thin": "true"}, {"annex.supportunlocked": "false"}], ids=str)
def test_content_comes_and_goes(template: Path, tmp_path: Path, connect: Connect, settings: dict[str, str]) -> None:
    sides = Sides(template, tmp_path, connect, settings)
    sides.ask(put)
    seen = sides.alike()
    assert contents(seen) == [CONTENT] * 3
    assert seen["git"] == []
    assert seen["here"] == ["dir/copy.txt", "file.txt", "locked.txt", "run.txt"]
    sides.both(lambda repo: repo.annex("fsck", "-q"))
    sides.ask(remove)
    seen = sides.alike()
    assert contents(seen) == [POINTER] * 3
    assert (seen["git"], seen["here"]) == ([], [])
    sides.both(lambda repo: repo.annex("get", "-q", "."))
    assert contents(sides.alike()) == [CONTENT] * 3


@pytest.mark.parametrize("thin", [False, True])
def test_what_the_user_edits_stays(template: Path, tmp_path: Path, connect: Connect, thin: bool) -> None:
    sides = Sides(template, tmp_path, connect, {"annex.thin": str(thin).lower()})
    sides.both(lambda repo: (repo.path / "file.txt").write_bytes(EDITED))
    sides.ask(put)
    seen = sides.alike()
    assert contents(seen) == [EDITED, CONTENT, CONTENT]
    assert seen["git"] == [" M file.txt"]
    sides.both(lambda repo: (repo.path / "dir/copy.txt").unlink())
    sides.both(lambda repo: (repo.path / "dir/copy.txt").write_bytes(EDITED))
    sides.ask(remove)
    seen = sides.alike()
    assert contents(seen) == [EDITED, EDITED, POINTER]
    sides.both(lambda repo: repo.git("add", "-A"))
    sides.both(lambda repo: repo.git("commit", "-q", "-m", "edited"))
    assert sides.alike()["git"] == []


def test_files_that_were_renamed_or_deleted(template: Path, tmp_path: Path, connect: Connect) -> None:
    """The database still knows where they were. Whoever opens it next notices."""
    sides = Sides(template, tmp_path, connect, {})
    sides.both(lambda repo: repo.git("mv", "file.txt", "renamed.txt"))
    sides.both(lambda repo: repo.git("rm", "-q", "dir/copy.txt"))
    sides.both(lambda repo: repo.git("commit", "-q", "-m", "moved"))
    sides.ask(put)
    sides.both(lambda repo: repo.annex("fsck", "-q"))
    seen = sides.alike()
    assert seen["renamed.txt"] == (CONTENT, False, False)
    assert seen["run.txt"] == (CONTENT, True, False)
    assert seen["git"] == []


def test_an_adjusted_branch(template: Path, tmp_path: Path, connect: Connect) -> None:
    """All files are unlocked there."""
    sides = Sides(template, tmp_path, connect, {})
    sides.both(lambda repo: repo.annex("adjust", "-q", "--unlock"))
    sides.ask(put)
    seen = sides.alike()
    assert seen["locked.txt"] == (CONTENT, False, False)
    assert seen["git"] == []
    sides.ask(remove)
    seen = sides.alike()
    assert seen["locked.txt"] == (POINTER, False, False)
    assert seen["git"] == []


def test_a_modified_file_is_no_content(template: Path, tmp_path: Path, connect: Connect) -> None:
    """With annex.thin the object may be the file that the user edits: then nobody may rely on it."""
    sides = Sides(template, tmp_path, connect, {"annex.thin": "true"})
    sides.ask(put)

    def edit(repo: Repo) -> None:
        """All links of the object."""
        for name in FILES:
            if (repo.path / name).stat().st_nlink > 1:
                (repo.path / name).write_bytes(EDITED)

    sides.both(edit)
    sides.ask(lambda client: client.ask(f"CHECKPRESENT {KEY}"), "FAILURE")
    sides.ask(lambda client: client.ask(f"LOCKCONTENT {KEY}"), "FAILURE")
    seen = sides.alike()
    assert sorted(contents(seen)) == sorted([EDITED, CONTENT, CONTENT])


def test_we_and_the_original_take_turns(template: Path, tmp_path: Path, connect: Connect) -> None:
    repo = existing(shutil.copytree(template, tmp_path / "repo", symlinks=True))
    for storing, removing in (("ours", "real"), ("real", "ours")):
        client = connect(storing, repo)
        assert put(client) == "SUCCESS"
        client.close()
        assert contents(state(repo)) == [CONTENT] * 3
        client = connect(removing, repo)
        assert remove(client) == "SUCCESS"
        client.close()
        assert contents(state(repo)) == [POINTER] * 3
        assert state(repo)["git"] == []


def test_databases_may_lie_elsewhere(template: Path, tmp_path: Path, connect: Connect) -> None:
    sides = Sides(template, tmp_path, connect, {})

    def move(repo: Repo) -> None:
        shutil.rmtree(repo.annex_dir / "keysdb")
        repo.git("update-ref", "-d", "refs/annex/last-index")
        (tmp_path / f"databases of {repo.path.name}").mkdir()
        repo.git("config", "annex.dbdir", str(tmp_path / f"databases of {repo.path.name}"))
        repo.annex("fsck", "-q", "--fast")

    sides.both(move)
    sides.ask(put)
    assert contents(sides.alike()) == [CONTENT] * 3
    sides.ask(remove)
    assert contents(sides.alike()) == [POINTER] * 3
    for repo in sides.repos.values():
        assert not (repo.annex_dir / "keysdb").exists()
        assert (tmp_path / f"databases of {repo.path.name}" / repo.uuid / "keysdb").exists()
