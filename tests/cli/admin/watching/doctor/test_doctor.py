"""doctor as a command: lines, JSON and exit codes, and that it changes nothing."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path

import pytest

from annexshell.cli.admin.watching.doctor.finding import Finding, in_place
from tests.cli.sides import contents
from tests.support.admin import Done, ours, succeed
from tests.support.real import Repo, run


@pytest.fixture
def healthy(repo: Repo) -> Repo:
    """A repository of which only good can be said, unless the account or the machine is ill."""
    repo.git("config", "annex.diskreserve", "1")
    return repo


def doctor(cwd: Path, *args: str) -> Done:
    return ours(cwd, "doctor", *args)


def about_the_repository(done: Done) -> dict[str, str]:
    """The status of each check that is not about the account."""
    report = json.loads(done.out)
    assert report["command"] == "doctor"
    statuses = [each["status"] for each in report["checks"]]
    worst = next(status for status in ("error", "warning", "ok") if status in statuses)
    assert (report["status"], report["success"]) == (worst, worst != "error")
    assert done.code == {"ok": 0, "warning": 1, "error": 2}[worst]
    account = ("shell", "path", "git", "ssh-permissions", "authorized-keys", "servers")
    return {each["check"]: each["status"] for each in report["checks"] if each["check"] not in account}


def test_a_healthy_repository(healthy: Repo) -> None:
    before = contents(healthy.path)
    done = doctor(healthy.path, "--json")
    assert contents(healthy.path) == before
    assert set(about_the_repository(done).values()) == {"ok"}
    subdirectory = healthy.path / "some where"
    subdirectory.mkdir()
    assert about_the_repository(doctor(subdirectory, "--json")) == about_the_repository(done)
    assert about_the_repository(doctor(Path("/"), "--json", str(healthy.path))) == about_the_repository(done)


def test_lines(healthy: Repo) -> None:
    """One for each finding, and of the same findings."""
    report = json.loads(doctor(healthy.path, "--json").out)["checks"]
    report = [each for each in report if each["check"] != "servers"]  # which come and go
    lines = [f"{each['status']:7} {each['check']}: {each['text']}" for each in report if each["check"] != "space"]
    shown = [line for line in doctor(healthy.path).out.splitlines() if " servers: " not in line]
    assert [line for line in shown if "space: " not in line] == lines  # the free space changes all the time
    assert len(shown) == len(report)
    healthy.git("config", "annex.crippledfilesystem", "true")
    quiet = doctor(healthy.path, "-q").out.splitlines()
    assert any(line.startswith("warning filesystem: ") for line in quiet)
    assert not any(line.startswith("ok") for line in quiet)


def test_exit_codes(healthy: Repo) -> None:
    """If there is nothing wrong with the account that runs the tests."""
    account = doctor(Path("/")).code
    for settings, code in (
        ({}, 0),
        ({"annex.version": "9"}, 1),
        ({"annex.diskreserve": "100 PB"}, 2),
    ):
        for name, value in settings.items():
            healthy.git("config", name, value)
        assert doctor(healthy.path).code == max(code, account)


def test_what_is_wrong_is_said(healthy: Repo) -> None:
    old = time.time() - 10 * 86400
    for name in ("journal/x.log", "index.lock", "tmp/SHA256--x"):
        path = healthy.annex_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        os.utime(path, (old, old))
    healthy.git("remote", "add", "gone", str(healthy.path.parent / "gone"))
    healthy.git("config", "remote.gone.annex-proxy", "true")
    healthy.git("config", "remote.gone.annex-uuid", "11111111-1111-4111-8111-111111111111")
    statuses = about_the_repository(doctor(healthy.path, "--json"))
    expected = {"journal": "warning", "stale-locks": "warning", "partial-files": "warning", "proxy.log": "warning"}
    assert {name: status for name, status in statuses.items() if status != "ok"} == {**expected, "nodes": "error"}


def test_no_repository(tmp_path: Path) -> None:
    assert about_the_repository(doctor(tmp_path, "--json")) == {}
    for name in (".", "home", "nothing"):
        assert about_the_repository(doctor(tmp_path, "--json", name)) == {"repository": "error"}
    run("git", "init", "-q", tmp_path / "plain")
    statuses = about_the_repository(doctor(tmp_path, "--json", "plain"))
    assert {name for name, status in statuses.items() if status == "error"} == {"version"}
    assert "nodes" not in statuses


def test_the_account(tmp_path: Path) -> None:
    """Its authorized_keys, and whether sshd trusts it."""
    ssh = tmp_path / "home/.ssh"
    ssh.mkdir(mode=0o700)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHguK60dW6K2OqU6D3n+G6baFUyuWeAyYALo7AmbsgjP"
    (ssh / "authorized_keys").write_text(f'command="git-annex-shell",restrict {key}\n')
    (ssh / "authorized_keys").chmod(0o666)
    done = doctor(tmp_path, "-q")
    assert done.code == 2
    assert "error   authorized-keys: line 1: git-annex-shell is not told what clients ask" in done.out
    assert f"error   ssh-permissions: everybody may write to {ssh}/authorized_keys" in done.out


@pytest.mark.parametrize("home", ["/dev/null", "/nowhere", "", "relative"])
def test_a_home_that_is_none(home: str, tmp_path: Path) -> None:
    """The account is looked at all the same."""
    shown = ours(tmp_path, "doctor", "--json", HOME=home)
    checks = {each["check"] for each in json.loads(shown.out)["checks"]}
    assert {"shell", "path", "git", "authorized-keys"} <= checks
    assert "account" not in checks


def test_keys_that_cannot_be_read(tmp_path: Path) -> None:
    """That is said, and the rest is looked at."""
    (tmp_path / "home/.ssh/authorized_keys").mkdir(parents=True)
    shown = doctor(tmp_path)
    assert f"error   authorized-keys: {tmp_path}/home/.ssh/authorized_keys can't be read: Is a directory" in shown.out
    assert "git: " in shown.out


def test_without_git(tmp_path: Path) -> None:
    done = ours(tmp_path, "doctor", ".", PATH="/nowhere")
    assert done.code == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize("limit", ["0", "-1", "soon", "nan", "601"])
def test_a_limit_that_is_none(limit: str, tmp_path: Path) -> None:
    done = doctor(tmp_path, f"--limit={limit}")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("annexshell: --limit has to be")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use: git config annex.pidlock true", "use: git -C '/srv/my annex' config annex.pidlock true"),
        ("use: git config --global --add safe.directory /x", "use: git config --global --add safe.directory /x"),
        ("by hand: git ls-remote n", "by hand: git -C '/srv/my annex' ls-remote n"),
        ("run: git-annex enableremote n", "run: git -C '/srv/my annex' annex enableremote n"),
        ("so that git-annex can't commit here", "so that git-annex can't commit here"),
        ("use: annexshell updatecluster", "use: annexshell updatecluster --repo='/srv/my annex'"),
        (
            "use: annexshell initcluster c, and annexshell updatecluster",
            "use: annexshell initcluster c --repo='/srv/my annex', and annexshell updatecluster --repo='/srv/my annex'",
        ),
        (
            "annexshell removenode c n, or git annex semitrust n",
            "annexshell removenode c n --repo='/srv/my annex', or git -C '/srv/my annex' annex semitrust n",
        ),
        ("run there: annexshell init", "run there: annexshell init"),
        ("annexshell authorized-keys writes such lines", "annexshell authorized-keys writes such lines"),
    ],
)
def test_commands_say_where(text: str, expected: str) -> None:
    assert in_place(Finding("x", "warning", text), "/srv/my annex", False).text == expected
    assert in_place(Finding("x", "ok", text), "/srv/my annex", False).text == text


def test_what_is_advised_helps(healthy: Repo) -> None:
    """Commands are run as they stand, from elsewhere, until nothing is said any more."""
    for name, value in (("annex.pidlock", "true"), ("annex.crippledfilesystem", "true"), ("annex.diskreserve", "x")):
        healthy.git("config", name, value)
    old = time.time() - 10 * 86400
    (healthy.annex_dir / "journal").mkdir(exist_ok=True)
    for name in ("annex/journal/x.log", "index.lock"):
        (healthy.annex_dir.parent / name).write_text("x")
        os.utime(healthy.annex_dir.parent / name, (old, old))
    healthy.git("config", "annex.cluster.foo", "11111111-1111-8111-8111-111111111111")
    place = healthy.path.parent
    for line in doctor(place, "-q", str(healthy.path)).out.splitlines():
        if not line.split()[1].startswith(("shell", "path", "ssh-", "git:", "authorized")):
            command = shlex.split(line.partition("use: ")[2].partition(", which")[0])
            assert command, line
            if command[0] == "annexshell":
                succeed(ours(place, *command[1:]))
            else:
                run(*command, cwd=place)
    assert set(about_the_repository(doctor(place, "--json", str(healthy.path))).values()) == {"ok"}
