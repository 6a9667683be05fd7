"""authorized-keys: a file that sshd takes, and in which others' lines are left alone."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest
from docopt import docopt

from annexshell.cli.admin.access import authorized_keys
from annexshell.cli.admin.access.keyfile import edit
from annexshell.cli.admin.options import Options
from annexshell.errors import BadUsage
from tests.conftest import ROOT
from tests.support.admin import Done, ours, succeed
from tests.support.real import run

ALICE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHguK60dW6K2OqU6D3n+G6baFUyuWeAyYALo7AmbsgjP alice"
BOB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDBlYFbWyCLRmBNmgBHwKQuYZ4VAnUyY5dTtP3Vb0u4V bob"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Not there yet, nor is its directory."""
    return tmp_path / "home/.ssh/authorized_keys"


def grant(shell: Path, *args: str | Path, cwd: Path = Path("/")) -> Done:
    return ours(cwd, "authorized-keys", "--program", str(shell), *map(str, args))


def listed(file: Path) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = json.loads(
        succeed(ours(Path("/"), "authorized-keys", "--list", "--json", f"--file={file}"))
    )["keys"]
    return keys


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


def test_a_line_is_printed(shell: Path, tmp_path: Path) -> None:
    run("git", "init", "-q", tmp_path / "a b")
    public = tmp_path / "id.pub"
    public.write_text(ALICE + "\n")
    done = grant(shell, "--directory=a b/", public, cwd=tmp_path)
    assert done.err == ""
    command = f"GIT_ANNEX_SHELL_DIRECTORY='{tmp_path}/a b' {shell} -c "
    assert done.out == f'command="{command}\\"$SSH_ORIGINAL_COMMAND\\"",restrict {ALICE}\n'
    assert succeed(grant(shell, "--directory", f"{tmp_path}/a b", ALICE)) == done.out
    assert json.loads(succeed(grant(shell, "--json", "--limited", ALICE)))["line"].startswith(
        'command="GIT_ANNEX_SHELL_LIMITED=1 '
    )
    assert "there is no git repository /nowhere now" in grant(shell, "--directory=/nowhere", ALICE).err


def test_the_shell_beside(shell: Path, tmp_path: Path) -> None:
    """Also where only the program that a symlink leads to has one beside it."""
    directory, links = tmp_path / "bin", tmp_path / "links"
    for path in (directory, links):
        path.mkdir()
    script = (ROOT / "bin/annexshell").read_text().partition("\n")[2]
    (directory / "annexshell").write_text(f"#!{sys.executable}\n{script}")
    (directory / "annexshell").chmod(0o755)
    (links / "annexshell").symlink_to(directory / "annexshell")

    def line() -> subprocess.CompletedProcess[str]:
        argv: list[str | Path] = [links / "annexshell", "authorized-keys", ALICE]
        return subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)

    assert "there is no git-annex-shell beside" in line().stderr
    (directory / "git-annex-shell").symlink_to(shell)
    assert f'command="{directory}/git-annex-shell -c ' in line().stdout
    (links / "git-annex-shell").symlink_to(shell)
    assert f'command="{links}/git-annex-shell -c ' in line().stdout


@pytest.fixture
def careless_umask() -> Iterator[None]:
    before = os.umask(0o002)
    yield
    os.umask(before)


@pytest.mark.usefixtures("careless_umask")
def test_granting_and_revoking(shell: Path, file: Path) -> None:
    """Whatever is done twice is done once."""
    for said in ("granted", "nothing to change"):
        assert succeed(grant(shell, "--install", "--read-only", ALICE)) == f"{said}: {file}\n"
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    succeed(
        grant(shell, f"--file={file}", "--append-only", "--limited", "--directory=/srv/a", "--directory=/srv/b", BOB)
    )
    alice, bob = listed(file)
    assert (alice["mode"], alice["limited"], alice["directories"]) == ("read-only", False, [])
    assert (bob["mode"], bob["limited"], bob["directories"]) == ("append-only", True, ["/srv/a", "/srv/b"])
    assert (alice["comment"], alice["line"], alice["program"]) == ("alice", 1, str(shell))
    assert succeed(ours(Path("/"), "authorized-keys", "--list")) == (
        f"{alice['fingerprint']} alice (read-only): all repositories\n"
        f"{bob['fingerprint']} bob (append-only, limited): /srv/a /srv/b\n"
    )
    lines = file.read_text()
    succeed(grant(shell, "--install", ALICE))
    assert [key["mode"] for key in listed(file)] == ["read-write", "append-only"]
    assert file.read_text().splitlines()[1] == lines.splitlines()[1]
    for said in ("removed", "nothing to change"):
        assert succeed(ours(Path("/"), "authorized-keys", "--remove", ALICE)) == f"{said}: {file}\n"
    assert file.read_text().splitlines() == lines.splitlines()[1:]
    succeed(ours(Path("/"), "authorized-keys", "--remove", bob["fingerprint"]))
    assert file.read_text() == ""
    assert os.listdir(file.parent) == ["authorized_keys"]


def test_lines_of_others_stay(shell: Path, file: Path) -> None:
    """Byte by byte, also what sshd does not understand, and what an administrator has added for a key."""
    file.parent.mkdir()
    others = b'# a comment\n\n  nonsense \xff\x0c\xc2\x85\nfrom="*.lab" ' + BOB.encode() + b"\n"
    file.write_bytes(others + b'from="10.0.0.1",command="git-annex-shell -c \\"$SSH_ORIGINAL_COMMAND\\"",restrict,pty '
                     + ALICE.encode() + b" at home")  # fmt: skip
    file.chmod(0o664)
    succeed(grant(shell, "--install", "--read-only", ALICE.removesuffix(" alice")))
    assert file.read_bytes().startswith(others)
    last = file.read_text(errors="replace").splitlines()[-1]
    assert last.startswith('command="GIT_ANNEX_SHELL_READONLY=1 ')
    assert last.endswith(f'\\"",restrict,from="10.0.0.1",pty {ALICE} at home')
    assert mode(file) == 0o644
    succeed(ours(Path("/"), "authorized-keys", "--remove", ALICE))
    assert file.read_bytes() == others


def test_a_key_that_is_there_twice(shell: Path, file: Path) -> None:
    """sshd looks at the first line only, so that a second one would only mislead."""
    file.parent.mkdir()
    file.write_text(f'command="git-annex-shell -c \\"$SSH_ORIGINAL_COMMAND\\"" {ALICE}\n{BOB}\n' * 2)
    succeed(grant(shell, "--install", ALICE))
    kept = file.read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in kept] == ["alice", "bob", "bob"]


def test_a_key_with_a_shell(shell: Path, file: Path) -> None:
    """Nobody loses his own access by a slip."""
    file.parent.mkdir()
    file.write_text(f"{BOB}\n{ALICE}\n")
    for done in (grant(shell, "--install", ALICE), ours(Path("/"), "authorized-keys", "--remove", ALICE)):
        assert done.code == 1
        assert done.err.startswith("annexshell: line 2 lets that key do something other than git-annex-shell")
    assert file.read_text() == f"{BOB}\n{ALICE}\n"


def test_a_symlink_stays_one(shell: Path, file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    (tmp_path / "keys").write_text("")
    file.symlink_to(tmp_path / "keys")
    succeed(grant(shell, "--install", ALICE))
    assert file.is_symlink()
    assert len(listed(tmp_path / "keys")) == 1


@pytest.mark.parametrize("linked", ["authorized_keys", "."])
def test_a_symlink_of_somebody_else(linked: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With which a user could choose what root edits."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "authorized_keys").touch()
    if linked == ".":
        file.parent.symlink_to(target)
    else:
        file.parent.mkdir()
        file.symlink_to(target / linked)
    assert edit(str(file), lambda _lines: [ALICE])
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(BadUsage, match="is a symlink that somebody else made"):
        edit(str(file), lambda _lines: [BOB])
    assert (target / "authorized_keys").read_text() == ALICE + "\n"


def test_what_fails_changes_nothing(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(ALICE)

    def change(_lines: list[str]) -> list[str]:
        return ["\ud800"]  # can't be written

    with pytest.raises(UnicodeEncodeError):
        edit(str(file), change)
    assert file.read_text() == ALICE
    assert os.listdir(file.parent) == ["authorized_keys"]


def test_several_at_once(shell: Path, file: Path) -> None:
    """None of them gets lost."""
    file.parent.mkdir()
    keys = [ALICE, BOB]
    argv = ["authorized-keys", "--install", "--quiet", f"--program={shell}"]
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from annexshell.cli.admin.main import main; main()"
    started = [subprocess.Popen([sys.executable, "-I", "-c", code, *argv, key]) for key in keys]
    assert [process.wait() for process in started] == [0, 0]
    assert {key["comment"] for key in listed(file)} == {"alice", "bob"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nosuch"], "nosuch is neither a public key nor a file"),
        (["ssh-ed25519 AAAA"], "that is not a complete public key"),
        (["--read-only", "--append-only", ALICE], "exclude each other"),
        (["--directory=", ALICE], "needs a directory"),
        (["--directory=/a\nb", ALICE], "control characters"),
        (["--directory=/a:b", "--directory=/c", ALICE], "has a colon in it"),
        (["--remove", "nosuch"], "nosuch is neither a public key nor a file"),
    ],
)
def test_refusals(args: list[str], said: str, shell: Path, file: Path) -> None:
    done = grant(shell, "--install", *args)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert not file.exists()


def test_programs_that_are_none(tmp_path: Path) -> None:
    for name, said in (("nosuch/git-annex-shell", "is not a program"), ("sh", "has to be called git-annex-shell")):
        assert said in ours(tmp_path, "authorized-keys", f"--program={name}", ALICE).err


def test_a_git_that_does_not_heed_what_restricts_it(
    shell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho git version 2.25.1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "lets pushes get round --read-only; use a newer one" in grant(shell, "--read-only", ALICE).err
    for args in (["--read-only", "--limited"], []):
        assert grant(shell, *args, ALICE).err == ""


def test_the_keys_of_root(
    shell: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An administrator who forgets to become somebody else is told."""
    monkeypatch.setenv("HOME", str(file.parents[1]))
    command = ["authorized-keys", "--install", f"--program={shell}", ALICE]
    fields = list(pwd.getpwuid(0))
    for home, warned in ((file.parents[1], True), ("/home/of/root", False)):
        fields[5] = str(home)
        monkeypatch.setattr(pwd, "getpwuid", lambda _uid: pwd.struct_passwd(fields))
        assert authorized_keys.run(Options(docopt(authorized_keys.USAGE, command))) == 0
        assert ("comes in as root" in capsys.readouterr().err) == warned


@pytest.mark.parametrize("home", ["/dev/null", "/nowhere", "", "relative"])
def test_a_home_that_is_none(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then sshd looks for keys where the account has its home, and so do we."""
    account = tmp_path / "account"
    entry = pwd.getpwuid(os.geteuid())
    monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd([*entry[:5], str(account), entry[6]]))
    monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(tmp_path)
    assert authorized_keys.run(Options(docopt(authorized_keys.USAGE, ["authorized-keys", "--list"]))) == 0
    install = ["authorized-keys", "--install", f"--program={_program(tmp_path)}", "--", ALICE]
    with pytest.raises(BadUsage, match=f"there is no directory {account}, in which"):
        authorized_keys.run(Options(docopt(authorized_keys.USAGE, install)))
    account.mkdir()
    assert authorized_keys.run(Options(docopt(authorized_keys.USAGE, install))) == 0
    assert ALICE in (account / ".ssh/authorized_keys").read_text()


def _program(directory: Path) -> Path:
    program = directory / "git-annex-shell"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program
