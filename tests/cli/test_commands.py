"""inannex, dropkey and gcryptsetup: the same exit codes, and the same left on disk, as with the original."""

from __future__ import annotations

import fcntl
import subprocess

import pytest

from tests.cli.sides import ABSENT, PRESENT, Side, Sides, contents, without_uuids
from tests.support.real import run

GCRYPT_ABC = "566186fd-a8f4-5f83-8480-f746c29d2606"  # the uuid that follows from the gcrypt id "abc"


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ([], 0),
        ([PRESENT], 0),
        ([PRESENT, PRESENT], 0),
        ([ABSENT], 1),
        ([PRESENT, ABSENT], 1),
        ([ABSENT, PRESENT], 1),
        (["--", PRESENT], 0),
        (["WORM--x"], 1),
    ],
)
@pytest.mark.parametrize("directory", ["photos", "gcrypt.git"])
def test_inannex(unchanged: Sides, directory: str, keys: list[str], code: int) -> None:
    original, ours = unchanged.run("inannex", directory, *keys)
    assert ours == original
    assert directory != "photos" or ours.code == code


def test_inannex_while_a_removal_goes_on(sides: Sides) -> None:
    for side in (sides.original, sides.ours):
        (path,) = (path for path in (side.home / "photos/.git/annex/objects").rglob(PRESENT) if path.is_file())
        path.parent.chmod(0o755)
        lock = path.with_name(PRESENT + ".lck")
        with lock.open("wb") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            assert side.run("inannex", "photos", PRESENT).code == 100
            assert side.run("inannex", "photos", PRESENT, ABSENT).code == 100
            assert side.run("inannex", "photos", ABSENT, PRESENT).code == 1
            assert side.run("dropkey", "photos", "--force", PRESENT).code == 1
        assert side.run("inannex", "photos", PRESENT).code == 0


def journal(side: Side, directory: str) -> dict[str, bytes]:
    """What waits there to be committed, without uuids and times."""
    return {
        name: without_uuids(content.decode()).encode().split(b"s ", 1)[-1]
        for name, content in contents(side.home / directory / "annex/journal").items()
    }


def test_dropkey(sides: Sides) -> None:
    """It leaves the record in the journal."""
    for argv, code in (
        (["dropkey", "photos", PRESENT], 1),
        (["inannex", "photos", PRESENT], 0),
        (["dropkey", "photos", "--quiet", "--force", PRESENT, ABSENT], 0),
        (["inannex", "photos", PRESENT], 1),
        (["dropkey", "photos", PRESENT, "--force"], 0),
        (["dropkey", "photos", "--force"], 0),
    ):
        original, ours = sides.run(*argv)
        assert (ours.code, ours.output) == (original.code, original.output) == (code, b"")
    assert journal(sides.ours, "photos/.git") == journal(sides.original, "photos/.git") != {}
    assert not [path for path in (sides.ours.home / "photos/.git/annex/objects").rglob("*") if path.is_file()]


def test_gcryptsetup(sides: Sides) -> None:
    for argv, code in (
        (["gcryptsetup", "fresh.git", ":id:8xSMPzOFEOm8+KbHZP+s"], 0),
        (["gcryptsetup", "fresh.git", ":id:8xSMPzOFEOm8+KbHZP+s"], 0),
        (["gcryptsetup", "fresh.git", "other"], 1),
        (["configlist", "fresh.git"], 0),
        (["gcryptsetup", "gcrypt.git", "abc"], 0),
        (["inannex", "gcrypt.git", "--uuid", GCRYPT_ABC, ABSENT], 1),
        (["inannex", "gcrypt.git", "--uuid", GCRYPT_ABC], 0),
        (["dropkey", "gcrypt.git", f"--uuid={GCRYPT_ABC}", "--force", ABSENT], 0),
        (["configlist", "gcrypt.git", "--uuid", GCRYPT_ABC], 0),
    ):
        original, ours = sides.run(*argv)
        assert (ours.code, ours.output) == (original.code, original.output)
        assert ours.code == code
    for name in ("fresh.git", "gcrypt.git"):
        texts = [
            run("git", "config", "--file", side.home / name / "config", "--list")
            for side in (sides.original, sides.ours)
        ]
        assert texts[0] == texts[1]


def test_an_id_that_looks_like_an_option(sides: Sides) -> None:
    """What a client calls an id is given to git as a value and as nothing else."""
    for gcrypt_id in ("--global", "-e", "--unset", "$(touch x)", "a\nb", "[x]\ny = z", "; #", ' "quoted\\'):
        directory = sides.ours.home / f"{len(list(sides.ours.home.iterdir()))}.git"
        run("git", "init", "-q", "--bare", directory)
        before = (sides.ours.home / ".gitconfig").read_text()
        done = sides.ours.run("gcryptsetup", directory.name, "--", "--", gcrypt_id)
        assert done.code == 1
        done = sides.ours.run("gcryptsetup", directory.name, gcrypt_id)
        if not gcrypt_id.startswith("-"):
            assert done.code == 0
            shown = subprocess.run(
                ["git", "config", "--file", directory / "config", "--null", "core.gcrypt-id"], capture_output=True
            )
            assert shown.stdout == gcrypt_id.encode() + b"\0"
        else:
            assert done.code == 1
        assert (sides.ours.home / ".gitconfig").read_text() == before


def test_what_is_not_done_for_others(sides: Sides) -> None:
    """Of the repositories that we proxy for, a client gets sessions, and no other command."""
    node = sides.ours.run("configlist", "bare.git").output.split()[0].removeprefix(b"annex.uuid=").decode()
    for side in (sides.original, sides.ours):
        photos = side.home / "photos"
        run("git", "remote", "add", "node", "../bare.git", cwd=photos)
        run("git", "config", "remote.node.annex-uuid", node, cwd=photos)
        run("git", "config", "remote.node.annex-proxy", "true", cwd=photos)
        run("git", "annex", "updateproxy", "-q", cwd=photos)
    for command in ("configlist", "inannex", "sendkey", "recvkey", "dropkey", "gcryptsetup"):
        for env in ({}, {"GIT_ANNEX_SHELL_READONLY": "1"}, {"GIT_ANNEX_SHELL_APPENDONLY": "1"}):
            original, ours = sides.run(command, "photos", "--uuid", node, PRESENT, env=env)
            assert (ours.code, ours.output) == (original.code, original.output) == (1, b"")
            assert ours.sentence == original.sentence
            assert "Cannot proxy" in ours.said or "blocked by" in ours.said
    original, ours = sides.run("notifychanges", "photos", "--uuid", node)
    assert (ours.code, ours.output) == (original.code, original.output) == (1, b"READY\n")
    original, ours = sides.run("p2pstdio", "photos", "client", "--uuid", node)
    assert ours == original
    assert ours.output == f"AUTH-SUCCESS {node}\n".encode()
