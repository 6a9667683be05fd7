"""A client that waits for changes: git-annex's own remotedaemon, which fetches when it hears of one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.support.sshd import Account


def test_changes_are_fetched(
    account: Callable[..., Account], server: Callable[..., Server], clone: Callable[..., Clone]
) -> None:
    here = server("bare")
    there = clone(account().url(here.path))
    there.add(["file"])
    there.annex("sync", "-q")
    daemon = subprocess.Popen(
        ["git", "annex", "remotedaemon", "--foreground"], cwd=there.path, env=there.env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with daemon:
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        assert daemon.stdout.readline().startswith("CONNECTED ssh://")
        value = here.repo.git("commit-tree", "-p", "master", "-m", "changed", "master^{tree}").strip()
        here.repo.git("update-ref", "refs/heads/master", value)
        assert daemon.stdout.readline().startswith("SYNCING ssh://")
        assert daemon.stdout.readline().startswith("DONESYNCING ssh://")
        assert there.git("rev-parse", "origin/master").strip() == value
        daemon.stdin.write("STOP\n")
        daemon.stdin.flush()
        assert daemon.wait(20) == 0
    here.check()
