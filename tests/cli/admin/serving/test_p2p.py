"""annexshell p2p as a command: addresses, tokens and links."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.repo.places import make_repo
from tests.support.p2pnet import OURS, Network


class Place:
    """A repository, and the verb on it."""

    def __init__(self, directory: Path) -> None:
        self.network = Network(directory, "place:1")
        self.repo = make_repo(directory / "repo")
        self._env = self.network.env | {"PYTHONPATH": str(ROOT)}

    def run(self, *args: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        argv = [*OURS, "p2p", *args]
        return subprocess.run(argv, cwd=self.repo.path, env=self._env, input=typed, capture_output=True, text=True)

    def fails(self, *args: str, typed: str = "") -> str:
        done = self.run(*args, typed=typed)
        assert done.returncode == 1, done
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_addresses_and_tokens(place: Place) -> None:
    assert "No P2P networks are currently available." in place.fails("--gen-addresses")
    assert place.run("--enable=testing").stdout == "p2p enable testing ok\n"
    assert place.run("--enable=testing").returncode == 0
    file = place.repo.annex_dir / "creds/p2paddrs"
    assert file.read_text() == "p2p-annex::testing:place:1\n"
    assert file.stat().st_mode & 0o777 == 0o600
    made = place.run("--gen-addresses", "--name=laptop of mine")
    assert made.stdout.startswith("p2p-annex::testing:place:1:")
    assert "Give them only to people you trust" in made.stderr
    (line,) = place.run("--tokens").stdout.splitlines()
    assert line.startswith("laptop of mine  read-write  20")
    assert made.stdout.strip().rpartition(":")[2] not in line
    assert place.run("--revoke=laptop of mine").stdout == "1 token revoked\n"
    assert place.run("--tokens").stdout == ""


def test_git_annex_goes_on_from_there(place: Place) -> None:
    place.run("--enable=testing")
    made = subprocess.run(
        ["git", "annex", "p2p", "--gen-addresses"], cwd=place.repo.path, capture_output=True, text=True, check=True
    )
    assert made.stdout.startswith("p2p-annex::testing:place:1:")
    (line,) = place.run("--tokens").stdout.splitlines()
    assert line.split("  ")[1:] == ["read-write", "-", "p2p-annex::testing:place:1"]
    assert place.run(f"--revoke={line.split()[0]}").returncode == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--enable=../evil"], "can't be the name of a network"),
        (["--enable=nosuch"], "git-annex-p2p-nosuch is not installed"),
        (["--revoke=nothing"], "there is no token called nothing"),
        (["--connections=0"], "--connections has to be a number"),
        (["--connections=x"], "--connections has to be a number"),
        (["--link", "--name=-x"], "can't be the name of a remote"),
        (["--link", "--name=a/b"], "can't be the name of a remote"),
    ],
)
def test_what_makes_no_sense(place: Place, args: list[str], words: str) -> None:
    assert words in place.fails(*args)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--access=everything", "--access has to be one of read-only, append-only, read-write"),
        ("--for=two words", "can't be the uuid of a repository"),
        ("--name=a\tb", "the name of a token can't hold control characters"),
    ],
)
def test_tokens_that_can_t_be(place: Place, option: str, words: str) -> None:
    place.run("--enable=testing")
    assert words in place.fails("--gen-addresses", option)


@pytest.mark.parametrize(
    ("script", "words"),
    [("exit 3", "failed with exit code 3"), ("exit 0", "did not output any"), ("echo; echo --x", "did not output any")],
)
def test_programs_of_networks_that_tell_nothing(place: Place, script: str, words: str) -> None:
    (place.network.programs / "git-annex-p2p-testing").write_text(f"#!/bin/sh\n{script}\n")
    assert words in place.fails("--enable=testing")
    assert not (place.repo.annex_dir / "creds/p2paddrs").exists()


@pytest.mark.parametrize("typed", ["", "\n"])
def test_linking_to_nothing(place: Place, typed: str) -> None:
    assert "Nothing entered, giving up." in place.fails("--link", typed=typed)


@pytest.mark.parametrize("typed", ["p2p-annex::testing:place", "x", "p2p-annex::testing:place:not-one", "ssh://a/b:c"])
def test_what_is_no_address(place: Place, typed: str) -> None:
    assert "that is no address with a token behind it" in place.fails("--link", typed=f"{typed}\n")


def test_linking(place: Place, tmp_path: Path) -> None:
    """With a name of its own if none is given; and nothing stays of a link that fails."""
    theirs = make_repo(tmp_path / "theirs")
    token = place.network.join(theirs)
    daemon = place.network.serve(theirs)
    try:
        assert "it does not let us in" in place.fails("--link", typed=f"{place.network.url}:wrong\n")
        assert place.repo.git("remote") == ""
        assert not (place.repo.annex_dir / "creds").exists()
        assert place.run("--link", typed=f"{place.network.url}:{token}\n").returncode == 0
        assert place.repo.git("config", "remote.peer1.url").strip() == place.network.url
        assert place.repo.git("config", "remote.peer1.annex-uuid").strip() == theirs.uuid
        (file,) = (place.repo.annex_dir / "creds").glob("testing*")
        assert file.read_text() == token
        assert file.stat().st_mode & 0o777 == 0o600
        assert "git remote failed" in place.fails("--link", "--name=peer1", typed=f"{place.network.url}:{token}\n")
    finally:
        daemon.stop()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_tor_s_configuration_is_root_s(place: Place) -> None:
    assert "run this as root, with --repo" in place.fails("--enable=tor")
