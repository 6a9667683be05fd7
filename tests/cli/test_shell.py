"""The forms of git-annex-shell's command line, and what becomes of everything that is no command of git-annex."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from annexshell import __version__
from annexshell.cli.context import check_directory
from annexshell.repo.initialization.identity import user_name
from tests.cli.sides import ABSENT, PRESENT, Sides, contents


@pytest.mark.parametrize(
    "argv",
    [
        ["configlist", "photos"],
        ["-c", "configlist", "photos"],
        ["-c", "-c", "configlist", "photos"],
        ["-c", "git-annex-shell configlist photos"],
        ["-c", "git-annex-shell -c configlist photos"],
        ["-c", "git-annex-shell 'configlist' '/~/photos'"],
        ["-c", 'git-annex-shell "configlist" \'{home}\'"/photos"'],
        ["-c", "git-annex-shell 'git-annex-shell configlist photos'"],
        ["git-annex-shell configlist photos"],
        ["configlist", "photos", "--debugfilter", "x", "--fast", "-q", "-v", "--no-debug", "-qF"],
        ["configlist", "photos", "--", "unknown=1", "remoteuuid=../x", "autoinit=2", "--", "--anything", "--"],
        ["configlist", "photos", "--"],
    ],
)
def test_forms_of_a_command(unchanged: Sides, argv: list[str]) -> None:
    original, ours = unchanged.run(*argv)
    assert original == ours
    assert ours.code == 0
    assert ours.output.startswith(b"annex.uuid=")
    assert ours.said == ""


@pytest.mark.parametrize(
    "argv",
    [
        ["-c", "git-annex-shell  configlist\tphotos"],
        ["-c", "/usr/local/bin/git-annex-shell 'configlist' 'photos'"],
        ["-c", "git-annex-shell configlist ph\\otos"],
    ],
)
def test_forms_that_the_original_does_not_know(unchanged: Sides, argv: list[str]) -> None:
    """Clients can be told a path of git-annex-shell, and a shell would take the others as we do."""
    original, ours = unchanged.run(*argv)
    assert original.code == 1
    assert ours == unchanged.ours.run("configlist", "photos")


WRONG = [
    ["configlist", "photos", "more"],
    ["notifychanges", "photos", "more"],
    ["p2pstdio", "photos"],
    ["p2pstdio", "photos", "one", "two"],
    ["p2pstdio", "plain", "client"],
    ["notifychanges", "plain"],
    ["inannex", "plain", PRESENT],
    ["dropkey", "plain", "--force", PRESENT],
    ["sendkey", "plain", PRESENT],
    ["recvkey", "plain", PRESENT],
    ["inannex", "photos", "nokey"],
    ["dropkey", "photos", "--force", "nokey"],
    ["dropkey", "photos", PRESENT],
    ["sendkey", "photos", "nokey"],
    ["recvkey", "photos", "nokey"],
    ["sendkey", "photos", ABSENT],
    ["inannex", "photos", "--bogus", PRESENT],
    ["inannex", "photos", "-x", PRESENT],
    ["inannex", "photos", "-c", "annex.uuid=x", PRESENT],
    ["inannex", "photos", "--json", PRESENT],
    ["inannex", "photos", PRESENT, "--uuid"],
    ["inannex", "photos", "--uuid=", PRESENT],
    ["inannex", "photos", "--uuid=x", PRESENT],
    ["configlist", "plain", "--uuid", "x"],
    ["inannex", "gcrypt.git", "--uuid", "x", PRESENT],
    ["inannex", "nothing", PRESENT],
    ["configlist", "--help"],
    ["gcryptsetup", "photos", "abc"],
    ["gcryptsetup", "bare.git", "abc"],
    ["gcryptsetup", "plain", "abc"],
    ["gcryptsetup", "gcrypt.git", "other"],
    ["gcryptsetup", "gcrypt.git", "abc", "other"],
]
# What the original says and we do, too: others may look for it.
SAME_SENTENCE = (
    "missing UUID",
    "Not a git-annex",
    "expected repository UUID",
    "failed to read git config",
    "dropkey can",
)


@pytest.mark.parametrize("argv", WRONG, ids=" ".join)
def test_wrong_use(unchanged: Sides, argv: list[str]) -> None:
    original, ours = unchanged.run(*argv)
    assert (ours.code, ours.output) == (original.code, original.output) == (1, b"")
    assert ours.said.startswith("git-annex-shell: ")
    assert ours.said.count("\n") == 1
    if any(text in original.sentence for text in SAME_SENTENCE):
        assert ours.sentence == original.sentence


@pytest.mark.parametrize(
    "argv", [["sendkey", "photos"], ["recvkey", "photos"], ["gcryptsetup", "gcrypt.git"]], ids=" ".join
)
def test_nothing_is_not_something(unchanged: Sides, argv: list[str]) -> None:
    """The original says that it worked."""
    original, ours = unchanged.run(*argv)
    assert original.code == 0
    assert ours.code == 1
    assert "bad parameters" in ours.said


@pytest.mark.parametrize("argv", [[], ["-c"], ["configlist"], ["-c", "configlist"], ["p2pstdio"]], ids=" ".join)
def test_usage(unchanged: Sides, argv: list[str]) -> None:
    original, ours = unchanged.run(*argv)
    assert (original.code, original.output) == (ours.code, ours.output) == (1, b"")
    assert original.said.splitlines()[:4] == ours.said.splitlines()[:4]
    for line in original.said.splitlines()[4:]:
        assert " ".join(line.split()) in " ".join(ours.said.split())  # the list of commands


def test_help_and_version(unchanged: Sides) -> None:
    """The original has no help but for a command in a directory."""
    asked = (["--help"], ["-h"], ["-c", "--help"], ["inannex", "photos", "--help"], ["dropkey", "photos", "-h"])
    answers = [unchanged.ours.run(*argv) for argv in asked]
    assert {(answer.code, answer.said) for answer in answers} == {(0, "")}
    assert all(answer.output.startswith(b"Usage: git-annex-shell ") for answer in answers)
    assert unchanged.ours.run("--version").output == f"git-annex-shell (annexshell) {__version__}\n".encode()


@pytest.mark.parametrize(
    "argv",
    [
        ["-c", "lockcontent photos key"],
        ["lockcontent", "photos", PRESENT],
        ["transferinfo", "photos", PRESENT],
        ["commit", "photos"],
        ["-c", f"git-annex-shell 'lockcontent' 'photos' '{PRESENT}'"],
        ["CONFIGLIST", "photos"],
        ["-c", "configlist photos"],
        ["-c", "help"],
        ["-c", ""],
        ["-c", "git-annex-shell"],
        ["-c", "git-shell"],
        ["-c", "cvs server"],
        ["-c", "sh"],
        ["git-upload-pack", "photos"],
        ["-c", "git-upload-pack"],
        ["-c", "git-upload-pack photos"],
        ["-c", "git-upload-pack 'photos' 'photos'"],
        ["-c", "git-upload-pack '/~/photos'"],
        ["git-annex-shell", "configlist", "photos"],
        ["git-annex-shell configlist photos", "more"],
        ["-c", "rsync --server --sender -e.Lsf . photos/file"],
        ["-c", "scp -f photos/file"],
    ],
    ids=" ".join,
)
def test_what_git_shell_refuses(unchanged: Sides, argv: list[str]) -> None:
    """Our exit code is git-shell's own."""
    original, ours = unchanged.run(*argv)
    assert (original.code, ours.code) == (1, 128)
    assert ours.said == original.said.removesuffix("git-annex-shell: git-shell failed\n\n")
    assert ours.output == original.output == b""


@pytest.mark.parametrize(
    "command",
    [
        "git-upload-pack '~/photos'",
        "git upload-pack '{home}/photos'",
        "git-upload-pack '~/photos/.git'",
        "git-upload-pack '{home}/bare'",
        "git-receive-pack '~/bare.git'",
    ],
)
def test_what_git_shell_serves(unchanged: Sides, command: str) -> None:
    for argv in (["-c", command], [command]):
        original, ours = unchanged.run(*argv, data=b"0000")
        assert original == ours
        assert ours.code == 0
        assert b"refs/heads/git-annex" in ours.output


def test_archives_of_git(unchanged: Sides) -> None:
    original, ours = unchanged.run("-c", "git-upload-archive '~/photos'", data=b"0012argument HEAD\n0000")
    assert original == ours
    assert (ours.code, b"pax_global_header" in ours.output) == (0, True)


def test_commands_of_the_administrator(sides: Sides) -> None:
    """git-shell runs what is in this directory, if the account is not limited to git-annex or to one repository."""
    for side in (sides.original, sides.ours):
        directory = side.home / "git-shell-commands"
        directory.mkdir()
        (directory / "hello").write_text('#!/bin/sh\necho hello "$@"\n')
        (directory / "hello").chmod(0o755)
    for command, output in (("hello", b"hello\n"), ("hello 'photos' '$(id)'", b"hello photos $(id)\n")):
        original, ours = sides.run("-c", command)
        assert original == ours
        assert (ours.code, ours.output) == (0, output)
        for name, value in (("LIMITED", "1"), ("DIRECTORY", "bare.git")):
            original, ours = sides.run("-c", command, env={f"GIT_ANNEX_SHELL_{name}": value})
            assert (original.code, original.output) == (ours.code, ours.output) == (1, b"")


def test_the_prompt_of_a_login_shell(unchanged: Sides) -> None:
    done = subprocess.run(
        ["-git-annex-shell"], executable=unchanged.ours.program, input=b"configlist photos\n", capture_output=True,
        env=unchanged.ours.environment(),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"git-annex-shell: bad parameters\n")


STARTS = {"configlist bare.git": b"annex.uuid=", "p2pstdio bare.git client": b"AUTH-SUCCESS ",
          "notifychanges bare.git": b"READY\n"}  # fmt: skip


def with_closed(program: Path, command: str, closed: str, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    argv: list[str | Path] = ["sh", "-c", f'exec "$0" {command} {closed}', program]
    return subprocess.run(argv, input=b"", capture_output=True, env=env, timeout=20)


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_closed_stream_is_no_reason_not_to_serve(sides: Sides, closed: str) -> None:
    for command, start in STARTS.items():
        usual = with_closed(sides.ours.program, command, "", sides.ours.environment())
        done = with_closed(sides.ours.program, command, closed, sides.ours.environment())
        assert done.stdout.startswith(start)
        assert (done.returncode, done.stdout) == (usual.returncode, usual.stdout)
        assert done.stderr == (b"" if "2>" in closed else usual.stderr)
    original = with_closed(sides.original.program, "configlist bare.git", closed, sides.original.environment())
    assert original.stdout.startswith(STARTS["configlist bare.git"])


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_nobody_to_talk_to(sides: Sides, closed: str) -> None:
    """A file that we open must not take the place of a standard stream that is closed."""
    before = contents(sides.ours.home)
    for command in STARTS:
        done = with_closed(sides.ours.program, command, closed, sides.ours.environment())
        assert (done.returncode, done.stdout) == (1, b"")
        assert (b"Bad file descriptor" in done.stderr) == ("2>" not in closed)
        assert b"internal error" not in done.stderr
    assert contents(sides.ours.home) == before


def test_a_full_disk_is_a_failure(unchanged: Sides) -> None:
    with open("/dev/full", "wb") as full:
        for command in (["configlist", "bare.git"], ["notifychanges", "bare.git"]):
            done = subprocess.run(
                [unchanged.ours.program, *command], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                env=unchanged.ours.environment(),
            )  # fmt: skip
            assert done.returncode == 1
            assert b"internal error" not in done.stderr


def test_without_git(unchanged: Sides, tmp_path: Path) -> None:
    """A forced command may have another PATH than its author thinks."""
    ours = unchanged.ours.run("configlist", "photos", env={"PATH": str(tmp_path)})
    assert ours.code == 1
    assert "git could not be started: No such file or directory" in ours.said
    ours = unchanged.ours.run("-c", "git-upload-pack 'photos'", env={"PATH": str(tmp_path)})
    assert (ours.code, ours.said) == (1, "git-annex-shell: git-shell failed: No such file or directory\n")


def test_the_environment_names_no_other_repository(unchanged: Sides) -> None:
    """Neither does where we are started."""
    other = {"GIT_DIR": str(unchanged.ours.home / "plain/.git"), "GIT_WORK_TREE": "/", "GIT_INDEX_FILE": "/nowhere"}
    assert unchanged.ours.run("configlist", "photos", env=other) == unchanged.original.run("configlist", "photos")
    home = os.environ["HOME"]
    assert unchanged.ours.run("configlist", f"{unchanged.ours.home}/photos", env={"HOME": home}).code == 0


def test_an_account_without_a_name_or_a_home(unchanged: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: whole paths are all that it needs."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME")
    assert check_directory(f"{unchanged.ours.home}/photos") == os.fsencode(unchanged.ours.home / "photos")
    assert (check_directory("photos"), check_directory("~/photos")) == (b"/photos", b"/photos")
    assert user_name({}) == b"unknown"
    assert user_name({b"USER": b"", b"LOGNAME": b"me"}) == b"me"
