"""notifychanges: what a client hears of changes to refs, from the original and from us."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.sides import Side, Sides
from tests.support.client import Client
from tests.support.real import run


@contextmanager
def listening(side: Side, directory: str) -> Iterator[Client]:
    with Client(side.program, "notifychanges", directory, env=side.environment(), greeting=False) as client:
        assert client.line() == "READY"
        yield client


def commit(git_dir: Path, message: str) -> str:
    return run("git", "commit-tree", "-m", message, "HEAD^{tree}", cwd=git_dir).strip()


def changed(client: Client, *values: str, exactly: bool = True) -> None:
    """Fails unless the client is told of these values next, in one or more lines, and of no others."""
    heard: set[str] = set()
    while not heard >= set(values):
        word, *rest = client.line().split()
        assert word == "CHANGED"
        heard |= set(rest)
    assert heard == set(values) or not exactly


@pytest.mark.parametrize("program", ["original", "ours"])
def test_changes(sides: Sides, program: str) -> None:
    side: Side = getattr(sides, program)
    exactly = program == "ours"  # the original may begin with refs that were there before
    git_dir = side.home / "photos"
    one, two, three, four, last = (commit(git_dir, message) for message in "12345")
    with listening(side, "photos") as client:
        run("git", "update-ref", "refs/heads/new", one, cwd=git_dir)
        changed(client, one, exactly=exactly)
        run("git", "update-ref", "refs/heads/new", two, cwd=git_dir)
        changed(client, two, exactly=exactly)
        run("git", "update-ref", "refs/remotes/deep/er/and/deeper", three, cwd=git_dir)
        changed(client, three, exactly=exactly)
        run("git", "update-ref", "refs/remotes/deep/er/and/another", four, cwd=git_dir)
        changed(client, four, exactly=exactly)
        run("git", "update-ref", "-d", "refs/heads/new", cwd=git_dir)  # of which nobody hears
        client.send("anything", "")
        run("git", "update-ref", "refs/heads/last", last, cwd=git_dir)
        changed(client, last, exactly=exactly)
        code, errors = client.close()
    assert code == 1
    assert "Traceback" not in errors


def test_many_at_once(sides: Sides) -> None:
    """New directories are watched before anybody can have written into them unseen, and empty ones may go."""
    git_dir = sides.ours.home / "bare.git"
    photos = sides.ours.home / "photos"
    run("git", "push", "-q", git_dir, "HEAD:refs/heads/master", cwd=photos)
    with listening(sides.ours, "bare.git") as client:
        for attempt in range(5):
            values = {f"refs/heads/{attempt}/{n}/ref{n}": commit(photos, f"{attempt} {n}") for n in range(20)}
            run("git", "push", "-q", git_dir, *(f"{value}:{ref}" for ref, value in values.items()), cwd=photos)
            changed(client, *values.values())
            run("git", "pack-refs", "--all", cwd=git_dir)
        client.close()


def test_a_linked_worktree(sides: Sides) -> None:
    """Its refs are those of its main repository."""
    photos = sides.ours.home / "photos"
    run("git", "-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", "-b", "linked", "../linked", cwd=photos)
    value = commit(photos, "changed")
    with listening(sides.ours, "linked") as client:
        run("git", "update-ref", "refs/heads/other", value, cwd=photos)
        changed(client, value)
        client.close()


def test_a_client_that_listens_no_more(sides: Sides) -> None:
    """Even if its end for writing is still open."""
    photos = sides.ours.home / "photos"
    value = commit(photos, "changed")
    process = subprocess.Popen(
        [sides.ours.program, "notifychanges", "photos"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=sides.ours.environment(),
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"READY\n"
        process.stdout.close()
        run("git", "update-ref", "refs/heads/other", value, cwd=photos)
        assert process.wait(20) == 1
        assert process.stderr.read().startswith(b"git-annex-shell: the client no longer listens")
