"""annexshell create: a repository, and who may use it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from annexshell.serve.http.access.rules import parse_rules
from tests.oracle.servers import complaints, existing
from tests.support.admin import git, ours, succeed


def test_a_repository(tmp_path: Path) -> None:
    assert succeed(ours(tmp_path, "create", "photos")) == f"created: {tmp_path}/photos.git\n"
    succeed(ours(tmp_path, "create", "--description=all films", str(tmp_path / "films.git")))
    for name, description in (("photos", "photos"), ("films", "all films")):
        made = existing(tmp_path / f"{name}.git")
        assert git(made.path, "config", "core.bare") == "true\n"
        assert description in made.git("cat-file", "blob", "git-annex:uuid.log")
        assert complaints(made) == []
        assert made.git("config", "annexshell.emptysince", check=False) == ""


def test_not_over_anything(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    succeed(ours(tmp_path, "create", "one"))
    for name in ("there", "one", "one.git", "no/where", "-", ".hidden", "a:b"):
        assert ours(tmp_path, "create", "--", name).code == 1
    assert sorted(os.listdir(tmp_path)) == sorted([*os.listdir(tmp_path)])
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


RULES = b"""\
# Those of the lab
@staff = alice bob

[*]
users = read
"""


def test_who_may_use_it(tmp_path: Path) -> None:
    access = tmp_path / "access"
    access.write_bytes(RULES)
    options = ["--public", "--user=carol", "--user=users=read,git", f"--access={access}"]
    succeed(ours(tmp_path, "create", *options, "photos"))
    path = bytes(tmp_path / "photos.git")
    added = b"[%b]\nanonymous = read lock git\ncarol = full\nusers = read git\n\n" % path
    assert access.read_bytes() == RULES.replace(b"[*]", added + b"[*]")
    rules = parse_rules(access.read_bytes())
    found = rules.section(path, b"", [bytes(tmp_path)])
    assert found is not None
    assert found.rights(b"carol", []) >= {"push", "remove"}
    assert found.rights(b"", []) == {"read", "lock", "git"}
    succeed(ours(tmp_path, "create", "--user=bob", f"--access={tmp_path}/new", "films"))
    assert (tmp_path / "new").read_bytes() == b"[%b]\nbob = full\n" % bytes(tmp_path / "films.git")


@pytest.mark.parametrize(
    ("before", "option", "told"),
    [
        (RULES, "--user=bob=everything", "--user can't be understood: line 2: 'everything'"),
        (RULES, "--user=", "--user can't be understood: line 2"),
        (b"[x]\nann = reed\n", "--public", "line 2: 'reed' is not one of"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, before: bytes, option: str, told: str) -> None:
    access = tmp_path / "access"
    access.write_bytes(before)
    done = ours(tmp_path, "create", option, f"--access={access}", "photos")
    assert told in done.err
    assert not (tmp_path / "photos.git").exists()
    assert access.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes it for others")
def test_root_makes_it_for_the_owner_of_the_directory(tmp_path: Path) -> None:
    top = tmp_path / "srv"
    top.mkdir()
    for path in (tmp_path, *tmp_path.parents):
        if not path.stat().st_mode & stat.S_IXOTH:
            path.chmod(0o755)
    os.chown(top, 12345, 12345)
    succeed(ours(tmp_path, "create", "srv/photos"))
    assert {path.stat().st_uid for path in (top / "photos.git").rglob("*")} == {12345}
