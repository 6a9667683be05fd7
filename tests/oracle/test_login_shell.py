"""git-annex-shell as an account's login shell: sshd then gives it the client's command as one string behind -c.

No test can change an account's shell, so a program on the client's PATH stands in for ssh and calls it as sshd would.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import make_server
from tests.oracle.test_testremote import passes

_SSH = """\
#!{python} -IS
import os, sys

if "server" not in sys.argv:
    sys.exit("there is no such host")
os.chdir({home!r})
interactive = len(sys.argv) == 2  # the host only
argv = ["-git-annex-shell"] if interactive else ["git-annex-shell", "-c", sys.argv[-1]]
os.execve({shell!r}, argv, {env!r})
"""


@pytest.fixture
def home(shell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of the account on the host "server"."""
    home = tmp_path / "server"
    home.mkdir()
    user = pwd.getpwuid(os.getuid()).pw_name
    env = {
        "USER": user,
        "LOGNAME": user,
        "HOME": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "SHELL": str(shell),
        "SSH_CLIENT": "127.0.0.1 1 22",
        "SSH_CONNECTION": "127.0.0.1 1 127.0.0.1 22",
    }
    programs = tmp_path / "bin"
    programs.mkdir()
    script = programs / "ssh"
    script.write_text(_SSH.format(python=sys.executable, home=str(home), shell=str(shell), env=env))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return home


def test_a_client_of_a_login_shell(home: Path, clone: Callable[..., Clone]) -> None:
    here = make_server("bare", home, "it's a repo.git")
    there = clone("server:it's a repo.git")
    key = there.add(["file"])["file"]
    there.annex("sync", "-q", "--content")
    assert here.objects() == {key}
    there.annex("drop", "-q", "file")
    there.annex("move", "-q", "--from", "origin", "file")
    assert passes(there, "--fast") > 60
    assert here.objects() == set()
    here.check(lost=True)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["/usr/lib/openssh/sftp-server"],
        ["scp -t ."],
        ["rsync --server -e.Lsf . ."],
        ["sh -c 'touch canary'"],
        ["git-annex-shell -c 'touch canary'"],
        ["git-annex-shell 'git-annex-shell touch canary'"],
    ],
)
def test_nothing_else_is_to_be_had(home: Path, command: list[str]) -> None:
    done = subprocess.run(["ssh", "server", *command], input="touch canary\n", capture_output=True, text=True)
    assert done.returncode not in (0, 255)
    assert done.stderr.startswith("git-annex-shell: " if not command else "fatal: ")  # that is git-shell's
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(home.iterdir()) == []
