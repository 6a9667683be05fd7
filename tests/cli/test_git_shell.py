"""What reaches git-shell from an account that is restricted to one directory, whatever a client thinks up."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annexshell.cli.shell import run
from annexshell.errors import BadUsage
from tests.cli.sides import Sides

GIT_COMMANDS = ("git-upload-pack", "git-receive-pack", "git-upload-archive")
ALLOWED = "/srv/it's allowed"
PIECES = (
    *GIT_COMMANDS,
    "git ",
    "upload-pack",
    "receive-pack",
    ALLOWED,
    "'/srv/it'\\''s allowed'",
    "'/srv/it'\"'\"'s allowed'",
    "/srv/secret",
    "'/srv/secret'",
    "~",
    "..",
    "/",
    " ",
    "\n",
    "\t",
    "'",
    '"',
    "\\",
    "--",
    "-c",
    "--exec=sh",
    ";",
    "$(id)",
    "\udcff",
    "git-annex-shell ",
)
COMMANDS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


class Passed(Exception):
    """git-shell would have been started with this."""


def start(program: str, argv: list[str], env: object) -> None:
    raise Passed(program, argv)


@given(st.lists(COMMANDS, min_size=1, max_size=4))
@example(["git-upload-pack '/srv/it'\\''s allowed'"])
@example(["git-receive-pack", ALLOWED])
@example([f'git upload-archive "{ALLOWED}//."'])
def test_nothing_but_the_directory_that_is_allowed(args: list[str]) -> None:
    with patch.dict(os.environ, {"GIT_ANNEX_SHELL_DIRECTORY": ALLOWED}), patch("os.execvpe", start):
        try:
            run(args)
        except Passed as passed:
            program, argv = passed.args
            assert program == "git-shell"
            assert argv in [["git-shell", "-c", f"{name} '/srv/it'\\''s allowed'"] for name in GIT_COMMANDS]
        except BadUsage:
            pass
        else:
            pytest.fail("nothing was started")


@given(st.lists(COMMANDS, min_size=1, max_size=4))
def test_nothing_at_all(args: list[str]) -> None:
    """For an account that is limited to git-annex."""
    with patch.dict(os.environ, {"GIT_ANNEX_SHELL_LIMITED": "1"}), patch("os.execvpe", start), pytest.raises(BadUsage):
        run(args)


def test_git_shell_takes_it_so(sides: Sides) -> None:
    """What we pass on is what git-shell unquotes to the name of the directory."""
    for name in ("it's", "a\\b", "new\nline", "$(touch canary)", "bang!", '"double"', "-x", "ü \t"):
        directory = sides.ours.home / "odd" / name
        directory.parent.mkdir(exist_ok=True)
        directory.symlink_to(Path("../bare.git"))
        env = {"GIT_ANNEX_SHELL_DIRECTORY": str(directory)}
        quoted = "'" + str(directory).replace("'", "'\\''").replace("!", "'\\!'") + "'"
        done = sides.ours.run("-c", f"git-upload-pack {quoted}", env=env, data=b"0000")
        assert (done.code, b"refs/heads/git-annex" in done.output) == (0, True), done
