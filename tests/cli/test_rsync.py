"""recvkey and sendkey, which speak rsync's protocol with the client's rsync: only gcrypt remotes use them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.cli.sides import ABSENT, PRESENT, Side, Sides, contents
from tests.repo.places import waiting_for

CLIENT = "11111111-1111-4111-8111-111111111111"
BYTES = bytes(range(256)) * 1000
KEY = f"SHA256-s{len(BYTES)}--{hashlib.sha256(BYTES).hexdigest()}"
GPG_KEY = "GPGHMACSHA1--36d164b3e43b4d13b75b1aada1cbc6ec23ea0d10"  # as gcrypt remotes have: no size, no checksum


needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="there is no rsync")


def rsync(side: Side, command: list[str], *words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """The client's rsync, with git-annex-shell in the place of the remote shell, as git-annex calls it."""
    remote = shlex.join([str(side.program), *command, "--", f"remoteuuid={CLIENT}", "--"])
    argv = ["rsync", "--progress", "--inplace", "--perms", "-e", remote, *words]
    return subprocess.run(argv, capture_output=True, env=side.environment(), timeout=30)


def send(side: Side, file: Path, directory: str, key: str, *options: str) -> int:
    return rsync(side, ["recvkey", directory, key], *options, "--", file, "dummy:").returncode


def stored(side: Side, directory: str) -> dict[str, bytes]:
    """What a repository's annex holds, but for what the original keeps for itself, and for uuids and times."""
    uuid = side.run("configlist", directory).output.split()[0].removeprefix(b"annex.uuid=") or b"UUID"
    return {
        name: content.replace(uuid, b"UUID").split(b"s ", 1)[-1] if name.startswith("journal/") else content
        for name, content in contents(side.home / directory / "annex").items()
        if name.startswith(("objects", "journal/", "tmp/", "bad/"))
    }


def umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


@needs_rsync
@pytest.mark.parametrize("key", [KEY, GPG_KEY])
@pytest.mark.parametrize("directory", ["gcrypt.git", "bare.git"])
def test_there_and_back(sides: Sides, directory: str, key: str, tmp_path: Path) -> None:
    file, back = tmp_path / "file", tmp_path / "back"
    file.write_bytes(BYTES)
    file.chmod(0o600)
    for side in (sides.original, sides.ours):
        assert send(side, file, directory, key) == 0
        assert side.run("inannex", directory, key).code == 0
        got = rsync(side, ["sendkey", directory, key], "--bwlimit=100000", "--", "dummy:", back)
        assert (got.returncode, got.stderr) == (0, b"")
        assert back.read_bytes() == BYTES
        back.unlink()
        (stored_file,) = (path for path in (side.home / directory / "annex/objects").rglob(key) if path.is_file())
        # The original keeps from everybody else what the client's file was kept from.
        assert stored_file.stat().st_mode & 0o777 == (0o400 if side is sides.original else 0o444 & ~umask())
        assert stored_file.parent.stat().st_mode & 0o222 == 0
    assert stored(sides.ours, directory) == stored(sides.original, directory)


@needs_rsync
def test_what_is_here_already(sides: Sides, tmp_path: Path) -> None:
    """The client's rsync waits for an answer in any case."""
    file = tmp_path / "file"
    file.write_bytes(BYTES)
    for side in (sides.original, sides.ours):
        assert send(side, file, "gcrypt.git", KEY) == 0
        before = stored(side, "gcrypt.git")
        assert send(side, file, "gcrypt.git", KEY) == 0
        assert stored(side, "gcrypt.git") == before


@needs_rsync
def test_bad_content(sides: Sides, tmp_path: Path) -> None:
    """Nothing of it stays, and the right one can come."""
    file = tmp_path / "file"
    for side in (sides.original, sides.ours):
        file.write_bytes(b"wrong" + BYTES[5:])
        assert send(side, file, "bare.git", KEY) == 1
        assert side.run("inannex", "bare.git", KEY).code == 1
        file.write_bytes(BYTES)
        assert send(side, file, "bare.git", KEY) == 0
        assert side.run("inannex", "bare.git", KEY).code == 0
    assert not (sides.ours.home / "bare.git/annex/tmp" / KEY).exists()


@needs_rsync
def test_an_interrupted_transfer_goes_on(sides: Sides, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(BYTES)
    for side in (sides.original, sides.ours):
        partial = side.home / "bare.git/annex/tmp" / KEY
        partial.parent.mkdir(exist_ok=True)
        partial.write_bytes(BYTES[:200_000])
        assert send(side, file, "bare.git", KEY, "--no-whole-file") == 0
        assert side.run("inannex", "bare.git", KEY).code == 0
        assert not partial.exists()


@needs_rsync
def test_who_comes_second_waits(sides: Sides, tmp_path: Path) -> None:
    """For the end of an upload by a session, which holds the lock that recvkey needs."""
    file = tmp_path / "file"
    file.write_bytes(BYTES)
    side = sides.ours
    path = side.home / "bare.git/annex/transfer/download/lck" / f"lck.{KEY}"
    path.parent.mkdir(parents=True, exist_ok=True)
    codes: list[int] = []
    with path.open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=lambda: codes.append(send(side, file, "bare.git", KEY)))
        thread.start()
        waiting_for(lambda: any((side.home / "bare.git/annex/annexshell/wanted").glob("*")))
    thread.join(30)
    assert codes == [0]
    assert side.run("inannex", "bare.git", KEY).code == 0


@needs_rsync
def test_a_bad_object_is_neither_sent_nor_counted(sides: Sides, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(BYTES)
    side = sides.ours
    assert send(side, file, "bare.git", KEY) == 0
    (found,) = (path for path in (side.home / "bare.git/annex/objects").rglob(KEY) if path.is_file())
    found.chmod(0o644)
    found.write_bytes(BYTES[:-1])
    assert side.run("inannex", "bare.git", KEY).code == 1
    assert rsync(side, ["sendkey", "bare.git", KEY], "--", "dummy:", tmp_path / "back").returncode != 0
    assert send(side, file, "bare.git", KEY) == 0
    assert side.run("inannex", "bare.git", KEY).code == 0
    assert (side.home / "bare.git/annex/bad" / KEY).read_bytes() == BYTES[:-1]


@needs_rsync
@pytest.mark.parametrize("command", ["recvkey", "sendkey"])
def test_a_client_that_goes_away(sides: Sides, command: str) -> None:
    argv = [command, "photos", PRESENT if command == "sendkey" else KEY]
    original, ours = sides.run(*argv)
    assert ours.code == original.code == 1
    assert "Traceback" not in ours.said
    assert sides.ours.run("inannex", "photos", PRESENT).code == 0
    assert sides.ours.run("inannex", "photos", KEY).code == 1


@needs_rsync
def test_a_client_that_sends_more_than_one_file(sides: Sides, tmp_path: Path) -> None:
    """No directory comes to lie where the partial file belongs, and the next client is not hindered."""
    (tmp_path / "directory").mkdir()
    for name in ("one", "two", "directory/three"):
        (tmp_path / name).write_bytes(BYTES)
    command = ["recvkey", "bare.git", KEY]
    for words in (
        (tmp_path / "one", tmp_path / "two"),
        ("-r", tmp_path / "directory"),
        ("-r", f"{tmp_path}/directory/"),
    ):
        assert rsync(sides.ours, command, *words, "dummy:").returncode != 0
        assert not (sides.ours.home / "bare.git/annex/tmp" / KEY).is_dir()
        assert sides.ours.run("inannex", "bare.git", KEY).code == 1
    assert send(sides.ours, tmp_path / "one", "bare.git", KEY) == 0


def test_a_server_without_rsync(sides: Sides, tmp_path: Path) -> None:
    """The locks of the transfer are given up all the same."""
    for argv in (["recvkey", "bare.git", KEY], ["sendkey", "photos", PRESENT]):
        done = sides.ours.run(*argv, "--", f"remoteuuid={CLIENT}", "--", env={"PATH": str(_only_git(tmp_path))})
        assert (done.code, done.output) == (1, b"")
        assert "rsync could not be started: No such file or directory" in done.said
        directory = sides.ours.home / argv[1] / ("annex" if argv[1] == "bare.git" else ".git/annex") / "transfer"
        assert not [path for path in directory.rglob("lck.*") if path.is_file()]


def _only_git(tmp_path: Path) -> Path:
    directory = tmp_path / "only-git"
    directory.mkdir(exist_ok=True)
    if not (directory / "git").exists():
        (directory / "git").symlink_to(shutil.which("git") or "")
    return directory


HOSTILE = [
    "dummy",
    "rsync",
    "--server",
    "--log-file={home}/canary",
    "--daemon",
    "--config={home}/canary",
    "-e",
    "touch {home}/canary",
    "--rsync-path=touch {home}/canary",
    "--remove-source-files",
    "--temp-dir={home}",
    "--bwlimit=5",
    "--bwlimit=5;x",
    "--bwlimit",
    "--bwlimit=",
    "--",
    "--backup-dir={home}",
    ".",
    "{home}/plain",
]


@pytest.mark.parametrize("command", ["sendkey", "recvkey"])
def test_options_for_the_servers_rsync(sides: Sides, command: str, tmp_path: Path) -> None:
    """A client may set nothing but a limit of the bandwidth."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "rsync").write_text(
        f"#!/bin/sh\nfor word; do printf '%s\\n' \"$word\"; done >{tmp_path}/words\n"
        f'for last; do :; done\n[ {command} = sendkey ] || printf x >"$last"\n'
    )
    (programs / "rsync").chmod(0o755)
    key = PRESENT if command == "sendkey" else "SHA1-s1--11f6ad8ec52a2984abaafd7c3b516503785c2072"
    for side in (sides.original, sides.ours):
        done = side.run(
            command, "photos", key, "--", "remoteuuid=../../x", "--", *HOSTILE,
            env={"PATH": f"{programs}:/usr/bin:/bin"},
        )  # fmt: skip
        assert done.code == 0
        words = (tmp_path / "words").read_text().splitlines()
        assert words.pop().startswith(f"{side.home}/photos/.git/annex/")
        sender = ["--sender"] if command == "sendkey" else []
        expected = {"--server", *sender, "-t", "--inplace", "-e.Lsf", "--bwlimit=5", "."}
        assert set(words) >= expected
        assert side is sides.original or set(words) == expected  # the original passes any limit on
        assert not (side.home / "canary").exists()
        assert side.run("inannex", "photos", PRESENT, key).code == 0


def test_what_is_not_here(unchanged: Sides) -> None:
    original, ours = unchanged.run("sendkey", "photos", ABSENT, "--", f"remoteuuid={CLIENT}", "--")
    assert (original.code, ours.code) == (1, 1)
    assert (
        original.said.strip() == ours.said.strip().removeprefix("git-annex-shell: ") == "requested key is not present"
    )
