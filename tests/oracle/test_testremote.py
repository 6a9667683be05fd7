"""git-annex's own test suite for remotes, against our server in front of every shape of repository."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import SHAPES, Server
from tests.support.sshd import Account


def passes(clone: Clone, *options: str, remote: str = "origin") -> int:
    """The number of tests in git-annex's suite, all of which passed."""
    done = clone.try_annex("testremote", *options, remote)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    found = re.search(r"All (\d+) tests passed", done.stdout)
    assert found is not None, done.stdout[-1000:]
    assert "FAIL" not in done.stdout
    return int(found[1])


@pytest.mark.parametrize(
    ("client_programs", "shape"),
    [*(("new", shape) for shape in SHAPES), ("old", "bare"), ("old", "old version")],
    indirect=["client_programs"],
)
def test_testremote(
    shape: str,
    account: Callable[..., Account],
    server: Callable[..., Server],
    clone: Callable[..., Clone],
    client_programs: Path,
) -> None:
    here = server(shape)
    there = clone(account().url(here.path), client=client_programs)
    assert passes(there, "--fast") > 60
    assert here.objects() == set()
    here.check(lost=True)


def test_testremote_in_full(
    account: Callable[..., Account],
    server: Callable[..., Server],
    clone: Callable[..., Clone],
    client_programs: Path,
) -> None:
    here = server("bare")
    there = clone(account().url(here.path), client=client_programs)
    assert passes(there) > 300
    here.check(lost=True)
