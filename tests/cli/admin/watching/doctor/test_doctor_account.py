"""What the doctor says of an account."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from annexshell.cli.admin.watching.doctor.account import (
    Account,
    Guarded,
    check_git,
    check_path,
    check_permissions,
    check_shell,
    look,
)
from annexshell.errors import ChildFailed


def account(
    shell: str = "/bin/sh", path: str = "/usr/bin:/bin", said: str = "", guarded: list[Guarded] | None = None
) -> Account:
    return Account(1000, shell, path, said, guarded or [])


def test_the_shell_that_is_advised() -> None:
    """For this account, whoever does it, and never one that would break the keys."""
    for shell in ("/usr/sbin/nologin", "/no/such/shell", "/usr/bin/git-annex-shell"):
        facts = Account(1000, shell, "/usr/bin", "", [], "lab")
        (found,) = check_shell(facts, True)
        assert found.text.endswith("use: chsh -s /bin/sh lab, as root")
        facts.shell = "/bin/sh"
        assert [found.status for found in check_shell(facts, True)] == ["ok"]


def test_an_account_without_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers."""
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000_001)
    facts = look("/nowhere")
    (found,) = check_shell(facts, False)
    assert found.status == "ok"
    assert "4000000001 has no entry in /etc/passwd" in found.text


@pytest.mark.parametrize(
    ("facts", "forced", "status", "text"),
    [
        (account(), True, "ok", "/bin/sh"),
        (account("/usr/sbin/nologin"), True, "error", "chsh"),
        (account("/usr/sbin/nologin"), False, "ok", "nobody gets in over ssh"),
        (account("/no/such/shell"), False, "error", "can't run commands"),
        (account(said="Welcome!\n"), False, "error", "write 'Welcome!\\n', which breaks the protocol"),
    ],
)
def test_the_shell(facts: Account, forced: bool, status: str, text: str) -> None:
    (found,) = check_shell(facts, forced)
    assert found.status == status
    assert text in found.text


def test_git_annex_shell_as_the_login_shell(shell: Path) -> None:
    for forced, status in ((False, "ok"), (True, "error")):
        (found,) = check_shell(account(str(shell)), forced)
        assert found.status == status


def test_the_path(tmp_path: Path) -> None:
    for name in ("git", "git-shell"):
        assert {found.status for found in check_path(account(path=str(tmp_path)))} != {"ok"}
        (tmp_path / name).touch(mode=0o755)
    assert [found.text for found in check_path(account(path=f"/gone:{tmp_path}"))] == [
        f"{tmp_path}/git",
        f"{tmp_path}/git-shell",
    ]
    for found in check_path(account(path="/gone")):
        assert found.status == "error"
        assert "(/gone)" in found.text


@pytest.mark.parametrize(
    ("version", "lines", "status", "text"),
    [
        ("2.30.9", [2], "error", "line 2 of authorized_keys"),
        ("2.9", [2, 5], "error", "lines 2, 5 of authorized_keys"),
        ("2.30.9", [], "ok", "2.30.9"),
        ("2.31.0.rc1", [2], "ok", "2.31.0.rc1"),
        ("3.0", [2], "ok", "3.0"),
    ],
)
def test_a_git_that_does_not_heed_what_restricts_it(version: str, lines: list[int], status: str, text: str) -> None:
    (found,) = check_git(version, lines)
    assert found.status == status
    assert text in found.text


def test_the_version_of_git(tmp_path: Path) -> None:
    path = tmp_path / "git"
    assert account(path=str(tmp_path)).git_version() == ""
    path.write_text("#!/bin/sh\necho git version 2.25.1\n")
    path.chmod(0o755)
    assert account(path=str(tmp_path)).git_version() == "2.25.1"


def test_programs(tmp_path: Path, shell: Path, programs: Path) -> None:
    """Both git-annex-shells start; one may be there and still not start."""
    facts = account(path=f"{shell.parent}:/usr/bin:/bin")
    for program in ("git-annex-shell", str(shell), str(programs / "git-annex-shell")):
        assert facts.trouble(program) == ""
    assert "/gone/git-annex-shell is not there; install it" in facts.trouble("/gone/git-annex-shell")
    assert Account(1000, "/bin/sh", "/gone", "", []).trouble("git-annex-shell") == (
        "a forced command does not find git-annex-shell; write its whole path"
    )
    path = tmp_path / "git-annex-shell"
    path.touch(mode=0o644)
    assert f"use: chmod 755 {path}" in facts.trouble(str(path))
    for text, said in (
        ("#!/usr/bin/env nosuch-interpreter\n", "nosuch-interpreter"),
        ("#!/no/such/interpreter\n", "No such file"),
        (f"#!{sys.executable} -IS\nimport annexshell.nosuch\n", "ModuleNotFoundError: No module named"),
    ):
        path.write_text(text)
        path.chmod(0o755)
        assert said in facts.trouble(str(path))


@pytest.mark.parametrize(
    ("owner", "mode", "status"),
    [
        (1000, 0o700, "ok"),
        (0, 0o755, "ok"),
        (1001, 0o700, "error"),
        (1000, 0o770, "warning"),
        (1000, 0o702, "error"),
    ],
)
def test_permissions(owner: int, mode: int, status: str) -> None:
    (found,) = check_permissions(account(guarded=[Guarded("/home/me", owner, mode)]))
    assert found.status == status
    assert "/home/me" in found.text


@pytest.fixture
def login_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The account's, to be written."""
    path = tmp_path / "login shell"
    fields = list(pwd.getpwuid(os.geteuid()))
    fields[6] = str(path)
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: pwd.struct_passwd(fields))
    return path


def write(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def test_what_a_forced_command_finds(login_shell: Path, tmp_path: Path) -> None:
    """With the start-up files of the shell that sshd starts, and nothing of our own environment."""
    home = tmp_path / "home"
    write(login_shell, f'[ "$SSH_CLIENT" ] && PATH="$PATH:{tmp_path}/more" && exec /bin/sh "$@"\n')
    (home / ".ssh").mkdir(mode=0o700)
    facts = look(str(home))
    assert (facts.shell, facts.said, facts.uid) == (str(login_shell), "", os.geteuid())
    assert facts.path.endswith(f":{tmp_path}/more")
    assert "programs" not in facts.path
    assert [each.path for each in facts.guarded] == [str(home), f"{home}/.ssh"]
    assert facts.guarded[1].mode == 0o700
    write(login_shell, 'echo "Last login: never"; exec /bin/sh "$@"\n')
    assert look(str(home)).said == "Last login: never\n"


def test_a_shell_that_does_not_start(login_shell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annexshell.cli.admin.watching.doctor.account._LIMIT", 0.1)
    write(login_shell, "exec sleep 10\n")
    with pytest.raises(ChildFailed, match="to start: look at its start-up files"):
        look(str(tmp_path))


def test_an_account_without_a_shell(login_shell: Path, tmp_path: Path) -> None:
    assert not login_shell.exists()
    (found,) = check_shell(look(str(tmp_path)), True)
    assert found.status == "error"
