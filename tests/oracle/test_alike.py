"""What lies on the server's disk after us is what would lie there after the original."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.support.sshd import Account


def stored(here: Server) -> dict[str, str]:
    """The permissions of all objects, of what lies beside them, and of the directories that they are in, by relative
    path. Other directories are empty: we leave those that are of no single key."""
    top = here.annex_dir / "objects"
    found = {}
    for path in top.rglob("*"):
        if path.is_file():
            for each in [path, *path.parents][: len(path.relative_to(top).parts) + 1]:
                found[str(each.relative_to(top))] = stat.filemode(each.lstat().st_mode)
        else:
            assert "--" not in path.name or any(path.iterdir()), f"{path} is empty"
    return found


@pytest.mark.parametrize("shape", ["worktree", "bare", "old version", "group", "tuned"])
def test_places_and_permissions(
    shape: str,
    account: Callable[..., Account],
    server: Callable[..., Server],
    clone: Callable[..., Clone],
    programs: Path,
) -> None:
    ours, original = server(shape, "ours"), server(shape, "original")
    there = clone(account().url(ours.path))
    there.git("remote", "add", "original", account(program=programs / "git-annex-shell").url(original.path))
    there.add(["kept", "dropped"], size=100_000)
    (there.path / "empty").touch()
    there.annex("add", "-q", "--backend=SHA1", "empty")
    for name in ("origin", "original"):
        there.annex("copy", "-q", "--to", name, "kept", "dropped", "empty")
        there.annex("drop", "-q", "--from", name, "dropped")
    assert ours.objects() == {there.key("kept"), there.key("empty")}
    assert stored(ours) == stored(original)
