"""A few seconds of chaos, or as many as CHAOS says; and that the reckoning would see what goes wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.check import logged, objects
from tests.chaos.ledger import Ledger
from tests.conftest import ROOT
from tests.support.real import Repo
from tests.support.sshd import missing

SECONDS = float(os.environ.get("CHAOS", "3"))
pytestmark = pytest.mark.timeout(SECONDS + 400)


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory for temporary ones whose name leaves space for those of sockets."""
    path = Path(tempfile.mkdtemp(prefix="c-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.skipif(missing() != "", reason=missing())
def test_nothing_is_lost(short: Path) -> None:
    seed = [] if "CHAOS" in os.environ else ["--seed=1"]
    argv = [sys.executable, "-m", "tests.chaos", f"--seconds={SECONDS}", *seed]
    env = {**os.environ, "TMPDIR": str(short)}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert list(short.iterdir()) == []
    assert str(short) not in Path("/proc/self/mounts").read_text()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger({"c": {"n1", "n2"}})


def test_what_is_acknowledged_is_promised(ledger: Ledger) -> None:
    ledger.store("k", ["c", "n1"], 1.0)
    assert ledger.promised() == {("k", "c"), ("k", "n1")}


@pytest.mark.parametrize(("place", "kept"), [("n1", {"n2"}), ("n2", {"n1"}), ("c", set()), ("gw", {"c", "n1", "n2"})])
def test_a_removal_undoes_some_promises(ledger: Ledger, place: str, kept: set[str]) -> None:
    ledger.store("k", ["c", "n1", "n2"], 1.0)
    ledger.remove("k", place)
    assert ledger.promised() == {("k", name) for name in kept}


def test_what_is_stored_again_is_promised_again(ledger: Ledger) -> None:
    answered = ledger.remove("k", "n1")
    answered.answer(True)
    ledger.store("k", ["n1"], answered.ended + 1)
    unanswered = ledger.remove("other", "n1")
    ledger.store("other", ["n1"], unanswered.began + 1)
    assert ledger.promised() == {("k", "n1")}, "what got no answer may happen at any time"


def test_removals_while_something_is_locked(ledger: Ledger) -> None:
    before = ledger.remove("k", "n1")
    before.answer(True)
    hold = ledger.hold("k", "n1")
    refused, granted, other = (ledger.remove("k", place) for place in ("n1", "c", "n2"))
    refused.answer(False)
    granted.answer(True)
    other.answer(True)
    assert ledger.locked_and_removed() == [("k", "n1")]
    hold.answer(True)
    ledger.remove("k", "n1").answer(True)
    assert ledger.locked_and_removed() == [("k", "n1")]


def test_what_a_branch_says(repo: Repo) -> None:
    key = repo.add("a", b"hello\n")
    assert logged(repo.path, repo.uuid) == {key} == set(objects(repo.path))
    repo.annex("drop", "--force", "a")
    repo.annex("merge")
    assert logged(repo.path, repo.uuid) == set() == set(objects(repo.path))


def test_what_the_original_does_among_itself(ledger: Ledger) -> None:
    ledger.hold("k", "n1", foreign=True)
    ledger.remove("k", "n1", foreign=True).answer(True)
    assert ledger.locked_and_removed() == []
    ledger.remove("k", "n1").answer(True)
    assert ledger.locked_and_removed() == [("k", "n1")]
