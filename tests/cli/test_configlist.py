"""configlist in repositories that have no uuid: what it leaves on disk is what the original leaves."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.sides import Side, Sides, contents, without_uuids
from tests.support.real import run

AUTOINIT = ["--", "autoinit=1", "--"]

# Caches of the original's that it makes again when it needs them, and an empty directory of ours.
CACHES = ("annex/fsck", "annex/index", "annex/mergedrefs", "annex/othertmp")


def everything(git_dir: Path) -> dict[str, tuple[int, str]]:
    """The modes and contents of all files of a git directory but its objects, without what can't be the same."""
    found = {}
    for name, content in contents(git_dir).items():
        path = git_dir / name
        if name.startswith(CACHES) or name.split("/")[0] == "objects":
            continue
        text = without_uuids(content.decode("utf-8", "replace"))
        text = re.sub(r"timestamp=\d+s", "timestamp=T", text)
        if name.startswith(("logs/", "refs/")) or name == "index":  # of git's, with times
            text = ""
        elif name == "annex/sentinal.cache":
            inode, size, *_ = text.split(" ")
            assert int(inode) == (git_dir / "annex/sentinal").stat().st_ino
            text = size
        elif name == "annex/journal/uuid.log":
            text = "".join(sorted(text.splitlines(keepends=True)))  # is in the order of the uuids
        found[name] = (path.lstat().st_mode, text.replace(str(git_dir), "{git_dir}"))
    return found


def history(git_dir: Path) -> str:
    return run("git", "log", "--format=%s %an %ae %cn %ce %T", "git-annex", cwd=git_dir)


def prepare(side: Side, kind: str) -> tuple[str, Path]:
    """Makes a repository; returns its DIRECTORY and its git directory."""
    home = side.home
    if kind == "bare":
        return "fresh", home / "fresh.git"
    if kind == "work tree":
        return "plain", home / "plain/.git"
    if kind == "pushed to":
        run("git", "push", "-q", home / "fresh.git", "git-annex", cwd=home / "photos")
        return "fresh.git", home / "fresh.git"
    if kind == "shared":
        run("git", "init", "-q", "--bare", "--shared=group", home / "shared.git")
        return "shared.git", home / "shared.git"
    if kind in ("wishes", "nobody"):
        text = "[annex]\ninitwanted = standard\ninitgroups = b a\n" if kind == "wishes" else "[user]\nname = ,\n"
        with (home / ".gitconfig").open("a") as file:
            file.write(text)
        return "fresh", home / "fresh.git"
    if kind == "hooks":
        hook = home / "plain/.git/hooks/post-receive"
        hook.write_text("#!/bin/sh\n")
        hook.chmod(0o755)
        (home / "plain/.git/info/attributes").write_text("*.x -diff\n")
        return "plain", home / "plain/.git"
    assert kind == "clone"
    run("git", "clone", "-q", home / "photos", home / "clone")
    return "~/clone/", home / "clone/.git"


@pytest.mark.parametrize("kind", ["bare", "work tree", "pushed to", "clone", "shared", "hooks", "wishes", "nobody"])
def test_what_it_leaves(sides: Sides, kind: str) -> None:
    fields = [] if kind in ("pushed to", "clone") else AUTOINIT
    left = []
    for side in (sides.original, sides.ours):
        directory, git_dir = prepare(side, kind)
        done = side.run("configlist", directory, *fields)
        assert done.code == 0
        uuid = run("git", "config", "--file", git_dir / "config", "annex.uuid").strip()
        assert done.output == f"annex.uuid={uuid}\ncore.gcrypt-id=\n".encode()
        assert side.run("configlist", directory) == side.run("configlist", directory, *AUTOINIT)
        left.append((everything(git_dir), history(git_dir)))
    (files, log), (our_files, our_log) = left
    assert our_files == {
        name: (mode, text.replace(str(sides.original.home), str(sides.ours.home)))
        for name, (mode, text) in files.items()
    }
    assert our_log == log


def test_bare_repositories_that_git_has_to_be_told_of(sides: Sides) -> None:
    """safe.bareRepository is about those that git finds by itself."""
    with (sides.ours.home / ".gitconfig").open("a") as file:
        file.write("[safe]\nbareRepository = explicit\n")
    done = sides.ours.run("configlist", "fresh", *AUTOINIT)
    assert (done.code, done.output[:11], done.said) == (0, b"annex.uuid=", "")
    theirs = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    run("git", "init", "-q", "--bare", sides.ours.home / "theirs.git")
    assert sides.ours.run("configlist", "theirs.git", *AUTOINIT, env=theirs).code == 1
    for command in ("git-upload-pack", "git-receive-pack"):
        done = sides.ours.run("-c", f"{command} '{{home}}/bare.git'", data=b"0000")
        assert (done.code, done.said) == (0, "")
    done = sides.ours.run("p2pstdio", "bare.git", "client", data=b"VERSION 1\n")
    assert (done.code, done.output[-10:]) == (0, b"VERSION 1\n")


def test_nothing_is_made_unasked(unchanged: Sides) -> None:
    """Only a field of this very form asks for it."""
    for fields in ([], ["--", "autoinit=0", "--"], ["--", "autoinit", "--"], ["--", "--", "autoinit=1"],
                   ["--", "autoinit=11"], ["--", "xautoinit=1"], ["--", "AUTOINIT=1"]):  # fmt: skip
        original, ours = unchanged.run("configlist", "plain", *fields)
        assert ours == original
        assert (ours.code, ours.output) == (0, b"annex.uuid=\ncore.gcrypt-id=\n")


def test_what_prevents_it(sides: Sides) -> None:
    for side in (sides.original, sides.ours):
        (side.home / "plain/.noannex").touch()
        hook = side.home / "fresh.git/hooks/pre-init-annex"
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    before = contents(sides.ours.home)
    for directory in ("plain", "fresh.git"):
        original, ours = sides.run("configlist", directory, *AUTOINIT)
        assert (original.code, original.output) == (ours.code, ours.output) == (1, b"")
        assert ours.said.startswith("git-annex-shell: initialization prevented by the ")
        readonly = sides.ours.run("configlist", directory, *AUTOINIT, env={"GIT_ANNEX_SHELL_READONLY": "1"})
        assert (readonly.code, readonly.output) == (1, b"")
    assert contents(sides.ours.home) == before


def test_several_clients_at_once(sides: Sides) -> None:
    """They must not be told different uuids."""

    def ask(_: int) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sides.ours.program, "configlist", "fresh.git", *AUTOINIT],
            env=sides.ours.environment(),
            capture_output=True,
        )

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert {(answer.returncode, answer.stderr) for answer in answers} == {(0, b"")}
    assert len({answer.stdout for answer in answers}) == 1
    assert (sides.ours.home / "fresh.git/annex/journal/uuid.log").read_text().count("\n") == 1
    assert not list((sides.ours.home / "fresh.git").glob("*.lck"))
