"""The command line of annexshell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from annexshell.cli.admin.verbs import MODULES
from tests.conftest import ROOT
from tests.support.admin import ours, succeed
from tests.support.real import run


@pytest.mark.parametrize("verb", MODULES)
def test_each_verb_tells_how_it_is_called(verb: str, tmp_path: Path) -> None:
    assert f"  {verb} " in succeed(ours(tmp_path, "--help"))
    assert f"annexshell {verb}" in succeed(ours(tmp_path, verb, "--help"))
    wrong = ours(tmp_path, verb, "--zzz")
    assert (wrong.code, wrong.out) == (1, "")
    said = f"annexshell: wrong arguments for {verb}: there is no option --zzz\nUsage:\n  annexshell {verb} "
    assert wrong.err.startswith(said)


def test_an_option_that_is_nearly_right(tmp_path: Path) -> None:
    assert (
        ": there is no option --acess-log; did you mean --access-log?\n"
        in ours(tmp_path, "p2phttp", "--acess-log=x").err
    )
    assert "wrong arguments for doctor\nUsage" in ours(tmp_path, "doctor", "one", "two").err
    assert "wrong arguments for doctor\nUsage" in ours(tmp_path, "doctor", "--", "one", "--two").err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(closed: str, tmp_path: Path) -> None:
    """Nothing that is opened takes their place, and what nobody reads is no failure."""
    run("git", "init", "-q", "--bare", tmp_path / "repo")
    command = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from annexshell.cli.admin.main import main; main()"
    argv = ["sh", "-c", f'exec "$0" -I -c "$1" init x {closed}', sys.executable, command]
    done = subprocess.run(argv, cwd=tmp_path / "repo", input=b"", capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"" if ">&-" in closed.replace("2>&-", "") else b"init x ok\n(recording state in git...)\n")
    run("git", "fsck", "--strict", cwd=tmp_path / "repo")


def test_no_such_verb(tmp_path: Path) -> None:
    assert ours(tmp_path, "nosuch").err == 'annexshell: there is no verb nosuch; "annexshell --help" lists them\n'
    for other in ("main", "__init__", "../shell", "Settings", ""):
        assert ours(tmp_path, other).err.startswith(f"annexshell: there is no verb {other};")
    assert "Verbs" in succeed(ours(tmp_path))
    assert succeed(ours(tmp_path, "--version")).startswith("annexshell 0")
