"""Forced commands, run by a shell as sshd runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from annexshell.cli.admin.access.forced import KeyGrant, check_expressible, parse_command
from annexshell.errors import BadUsage
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE

STRANGE = ["/srv/it's", '/srv/a "b"', "/srv/$(x) `y` ;&|#!*?~", "/srv/back\\slash\\", "/srv/ü \udcff", "/srv/100% -x"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Says what it was started with."""
    path = tmp_path / "it's $HOME" / "git-annex-shell"
    path.parent.mkdir()
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$GIT_ANNEX_SHELL_DIRECTORY" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_a_shell_makes_of_it(shell: str, program: Path) -> None:
    asked = "git-annex-shell 'configlist' '/srv/a  b' \"$(x)\""
    env = {"SSH_ORIGINAL_COMMAND": asked, "PATH": "/usr/bin:/bin"}
    for directories in (*([path] for path in STRANGE), STRANGE):
        command = KeyGrant(READ_ONLY, True, directories, str(program)).command()
        done = subprocess.run([shell, "-c", command.encode("utf-8", "surrogateescape")], env=env, capture_output=True)
        expected = "\n".join([":".join(directories), "-c", asked, ""])
        assert done.stdout == expected.encode("utf-8", "surrogateescape"), done.stderr


def test_commands_are_understood_again() -> None:
    for mode in (READ_ONLY, APPEND_ONLY, READ_WRITE):
        for limited in (False, True):
            for directories in ([], ["/srv/a"], STRANGE):
                grant = parse_command(KeyGrant(mode, limited, directories, "/opt/a b/git-annex-shell").command())
                assert grant is not None
                assert (grant.mode, grant.limited, grant.directories) == (mode, limited, directories)
                assert (grant.program, grant.protected) == ("/opt/a b/git-annex-shell", True)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('git-annex-shell -c "$SSH_ORIGINAL_COMMAND"', (READ_WRITE, False, [], True)),
        ('exec env GIT_ANNEX_SHELL_READONLY=true git-annex-shell -c "${SSH_ORIGINAL_COMMAND}"',
         (READ_ONLY, False, [], False)),
        ('GIT_ANNEX_SHELL_APPENDONLY=1 GIT_ANNEX_SHELL_READONLY= x/git-annex-shell "$SSH_ORIGINAL_COMMAND"',
         (APPEND_ONLY, False, [], False)),
        ('GIT_ANNEX_SHELL_LIMITED=1 GIT_ANNEX_SHELL_APPENDONLY=1 GIT_ANNEX_SHELL_READONLY=1'
         ' GIT_ANNEX_SHELL_DIRECTORY=/a/:/b git-annex-shell -c "$SSH_ORIGINAL_COMMAND"',
         (READ_ONLY, True, ["/a", "/b"], True)),
    ],
)  # fmt: skip
def test_commands_of_others(command: str, expected: tuple[str, bool, list[str], bool]) -> None:
    grant = parse_command(command)
    assert grant is not None
    assert (grant.mode, grant.limited, grant.directories, grant.protected) == expected


@pytest.mark.parametrize(
    "command",
    [
        "",
        "git-annex-shell",
        "git-annex-shell -c",
        "git-annex-shell -c ls",
        'bash -c "$SSH_ORIGINAL_COMMAND"',
        'git-annex-shell -c "$SSH_ORIGINAL_COMMAND" extra',
        'git-annex-shell -c "$SSH_ORIGINAL_COMMAND',
        'GIT_ANNEX_SHELL_DIRECTORY=/srv/a b git-annex-shell -c "$SSH_ORIGINAL_COMMAND"',
    ],
)
def test_other_commands(command: str) -> None:
    assert parse_command(command) is None


def test_what_can_not_be_said() -> None:
    check_expressible([*STRANGE, "/srv/a"])
    check_expressible(["/srv/a:b"])
    for directories in (["/srv/a\nb"], ["/srv/\x1b"], ["/srv/a:b", "/srv/c"], ["/srv/a:/b"], ["/srv/a:~b"]):
        with pytest.raises(BadUsage):
            check_expressible(directories)
