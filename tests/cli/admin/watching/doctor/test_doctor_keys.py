"""What the doctor says of lines of authorized_keys."""

from __future__ import annotations

import pytest

from annexshell.cli.admin.access.forced import KeyGrant
from annexshell.cli.admin.access.sshkeys import KeyEntry, parse_public_key
from annexshell.cli.admin.watching.doctor.finding import Finding
from annexshell.cli.admin.watching.doctor.keys import check_keys, rest_on_environment
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHguK60dW6K2OqU6D3n+G6baFUyuWeAyYALo7AmbsgjP me"
ASKED = '\\"$SSH_ORIGINAL_COMMAND\\"'


def look(*lines: str) -> list[Finding]:
    """What is found beside the summary, where the only program is git-annex-shell and the only directories are
    /srv/a and /srv/b.git."""

    def trouble(program: str) -> str:
        return "" if program in ("git-annex-shell", "/opt/x/git-annex-shell") else f"{program} does not start"

    *found, summary = check_keys([*lines], trouble, {"/srv/a", "/srv/b.git"}.__contains__)
    assert summary.status == "ok"
    good = sum("git-annex-shell" in line for line in lines) - len({each.text.split(":")[0] for each in found})
    assert summary.text.startswith(f"{good} lines")
    return found


@pytest.mark.parametrize("mode", [READ_ONLY, APPEND_ONLY, READ_WRITE])
@pytest.mark.parametrize("limited", [False, True])
def test_what_authorized_keys_writes_is_well(mode: str, limited: bool) -> None:
    grant = KeyGrant(mode, limited, ["/srv/a", "/srv/b"], "/opt/x/git-annex-shell")
    options: list[tuple[str, str | None]] = [("command", grant.command()), ("restrict", None)]
    assert look(KeyEntry(options, parse_public_key(KEY)).text()) == []


def test_what_rests_on_the_environment_of_git() -> None:
    lines = ["", KEY, 'command="GIT_CONFIG_COUNT=1 other"']
    for mode, limited in ((READ_ONLY, False), (READ_WRITE, False), (APPEND_ONLY, True), (APPEND_ONLY, False)):
        grant = KeyGrant(mode, limited, [], "git-annex-shell")
        lines.append(KeyEntry([("command", grant.command())], parse_public_key(KEY)).text())
    assert rest_on_environment(lines) == [4, 7]


def test_lines_for_other_things_are_nobodys_business() -> None:
    assert look("", "# git-annex-shel", KEY, f'command="rsync --server" {KEY}', "nonsense", 'command="x ssh-rsa') == []


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        ('command="git-annex-shell -c "$SSH_ORIGINAL_COMMAND"",restrict', "error", "ignores it: the quotes inside"),
        (f'command="git-annex-shell -c {ASKED},restrict', "error", "sshd ignores it"),
        ("command=git-annex-shell,restrict", "error", "not in double quotes"),
        ('command="git-annex-shell",restrict', "error", "is not told what clients ask"),
        ('command="git-annex-shell -c $SSH_ORIGINAL_COMMAND",restrict', "error", "in \\\"double quotes"),
        ("command=\"git-annex-shell -c '$SSH_ORIGINAL_COMMAND'\",restrict", "error", "in \\\"double quotes"),
        (f'command="git-annex-shell -c {ASKED} -x",restrict', "error", "needs nothing but -c"),
        (f"command=\"X='a git-annex-shell -c {ASKED}\",restrict", "error", "a quote in its command is not closed"),
        (f'command="GIT_ANNEX_SHELL_DIRECTORY=/srv/my annex git-annex-shell -c {ASKED}",restrict', "error",
         "the command runs annex and not git-annex-shell"),
        (f'command="/gone/git-annex-shell -c {ASKED}",restrict', "error", "/gone/git-annex-shell does not start"),
        (f'command="git-annex-shell -c {ASKED}"', "warning", "add: restrict"),
        (f'command="GIT_ANNEX_SHELL_READONLY=1 git-annex-shell -c {ASKED}",restrict', "warning",
         "it is read-only, but git push is not"),
        (f'command="GIT_ANNEX_SHELL_DIRECTORY=/srv/c git-annex-shell -c {ASKED}",restrict', "warning",
         "/srv/c is not there; create it, or correct the name"),
        (f'command="GIT_ANNEX_SHELL_DIRECTORY=/srv/a: git-annex-shell -c {ASKED}",restrict', "warning",
         "/srv/a: is not there; create it, or correct the name, and begin each directory of a list with / or ~"),
    ],
)  # fmt: skip
def test_problems(options: str, status: str, text: str) -> None:
    (found,) = look("# the second line:", f"{options} {KEY}")
    assert (found.check, found.status) == ("authorized-keys", status)
    assert found.text.startswith("line 2: ")
    assert text in found.text


def test_a_key_of_two_lines() -> None:
    line = f'command="git-annex-shell -c {ASKED}",restrict {KEY}'
    (found,) = look(KEY, line)
    assert found.text == "line 2: sshd never gets to it, since line 1 is for the same key; remove one of them"
    assert look(line, KEY) == []
