"""annexshell.pyz: all of it in one file, with which a session needs no more than Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from annexshell import __version__
from annexshell.repo.initialization.installed import installed
from tests.conftest import CLIENT_UUID
from tests.support.client import Client, sha256_key
from tests.support.packages import make
from tests.support.real import Repo

CONTENT = b"stored by a single file"
ALONE = (sys.executable, "-I", "-S")  # without any installed library


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("single file")
    done = make("pyz", directory)
    assert done.returncode == 0, done.stderr
    for name in ("git-annex-shell", "git-annex"):
        (directory / name).symlink_to("annexshell.pyz")
    return directory / "annexshell.pyz"


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_it_is_a_program(archive: Path) -> None:
    assert run(sys.executable, archive, "--version").stdout == f"annexshell {__version__}\n"
    assert f"(annexshell) {__version__}\n" in run(archive.with_name("git-annex-shell"), "--version").stdout
    assert f"-annexshell-{__version__}" in run(archive.with_name("git-annex"), "version", "--raw").stdout
    assert installed({b"PATH": os.fsencode(archive.parent)}) is None


def test_a_session_with_the_standard_library_alone(archive: Path, repo: Repo) -> None:
    key = sha256_key(CONTENT)
    with Client(*ALONE, archive.with_name("git-annex-shell"), "p2pstdio", str(repo.path), CLIENT_UUID) as client:
        assert client.ask("VERSION 4") == "VERSION 4"
        assert client.put(key, CONTENT) == "SUCCESS"
        assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
        assert client.ask("UNLOCKCONTENT", f"CHECKPRESENT {key}") == "SUCCESS"
        assert client.get(key) == CONTENT
        assert client.ask(f"REMOVE {key}") == "SUCCESS"
        assert client.close() == (0, "")


def test_it_administers_what_it_serves(archive: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "served"], check=True)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHguK60dW6K2OqU6D3n+G6baFUyuWeAyYALo7AmbsgjP me"
    for verb, told in (
        (["init", f"--repo={tmp_path}/served"], "init  ok"),
        (["info", f"--repo={tmp_path}/served"], "version: 10"),
        (["authorized-keys", f"--directory={tmp_path}/served", key], "/git-annex-shell' -c"),
    ):
        done = run(*ALONE, archive, *verb)
        assert (done.returncode, done.stderr) == (0, "")
        assert told in done.stdout


def test_every_account_may_run_it(archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o755


def test_what_needs_more_says_so(archive: Path, repo: Repo) -> None:
    done = run(*ALONE, archive, "status", repo.path)
    assert done.returncode == 1
    assert done.stderr == "annexshell: the Python module psutil is missing here; pip, or your distribution, has it\n"


def test_other_versions_of_python_take_the_source(archive: Path, tmp_path: Path) -> None:
    """What is compiled is for one version only: without it, the archive works as well."""
    lean = tmp_path / "git-annex-shell"
    with ZipFile(archive) as full, ZipFile(lean, "w") as other:
        for name in full.namelist():
            if not name.endswith(".pyc"):
                other.writestr(name, full.read(name))
    assert f"(annexshell) {__version__}\n" in run(*ALONE, lean, "--version").stdout
