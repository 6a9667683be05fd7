"""Which repository a DIRECTORY means, in every shape that it may have: the one that the original finds, and nothing on
disk is changed for it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.cli.sides import Side, Sides, contents
from tests.support.real import Repo, run


@pytest.fixture
def side(sides: Sides) -> Side:
    """Our home directory, with repositories of more shapes: paths in them are absolute, so that they can't be copied.
    The original has no other one for these tests."""
    home = sides.ours.home
    for name in ("linked", "detached"):
        run("git", "-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", "--detach", f"../{name}",
            cwd=home / "photos")  # fmt: skip
    run("git", "init", "-q", home / "super")
    run("git", "submodule", "--quiet", "add", home / "photos", "sub", cwd=home / "super")
    run("git", "clone", "-q", f"--separate-git-dir={home}/apart.gd", home / "photos", home / "apart")
    run("git", "clone", "-q", home / "photos", home / "it's a 'clone' \\ $(x)")
    for name in ("super/sub", "apart", "it's a 'clone' \\ $(x)"):
        run("git", "config", "annex.uuid", f"11111111-1111-4111-8111-{len(name):012}", cwd=home / name)
        run("git", "config", "annex.version", "10", cwd=home / name)
    for name, target in {
        "link": "photos",
        "link.git": "bare.git",
        "linked-link": "linked",
        "sub-link": "super/sub",
        "apart-link": "apart",
        "home-link": ".",
    }.items():
        (home / name).symlink_to(target)
    for name in ("both", "both.git", "empty"):
        (home / name).mkdir()
    (home / "with-symlink").mkdir()
    (home / "with-symlink/.git").symlink_to("../photos/.git")
    return sides.ours


FORMS = [
    "photos",
    "./photos",
    "photos/",
    "photos//",
    "photos/.git",
    "photos/.git/",
    "{home}/photos",
    "{home}//./photos/",
    "~/photos",
    "/~/photos",
    "~/./photos",
    "~{me}/{from_my_home}/photos",
    "/~{me}/{from_my_home}/photos",
    "plain/../photos",
    "~/../{name}/photos",
    "bare",
    "bare.git",
    "bare.git/",
    "~/bare",
    "linked",
    "detached/",
    "super/sub",
    "apart",
    "it's a 'clone' \\ $(x)",
    "link",
    "link/",
    "linked-link",
    "sub-link",
    "apart-link",
    "home-link/super/sub",
    "home-link/linked",
    "with-symlink",
    "plain",
    "gcrypt.git",
]
NOWHERE = [
    "nothing",
    "nothing/",
    "bare/",
    "WORK",
    "photos/file",
    "/~nobody-of-that-name/photos",
    "~nobody-of-that-name/photos",
    "-x",
    "--uuid",
    "--",
    "photos\n",
    " photos",
    "$HOME/photos",
    "wor*",
    "w" * 300,
    "x/" * 3000,
]


def substitute(form: str, side: Side) -> str:
    me = pwd.getpwuid(os.getuid())
    return form.format(
        home=side.home, name=side.home.name, me=me.pw_name, from_my_home=os.path.relpath(side.home, me.pw_dir)
    )


def test_what_is_found(side: Side, programs: Path) -> None:
    before = contents(side.home)
    ours = {form: side.run("configlist", substitute(form, side)) for form in FORMS}
    assert contents(side.home) == before
    side.program = programs / "git-annex-shell"
    original = {form: side.run("configlist", substitute(form, side)) for form in FORMS}
    assert ours == original
    assert {done.code for done in ours.values()} == {0}


def test_what_is_not_found(unchanged: Sides) -> None:
    for form in NOWHERE:
        original, ours = unchanged.run("configlist", form)
        assert (original.code, ours.code) == (1, 1), form
        assert original.said.strip() == ours.said.strip(), form


@pytest.mark.parametrize("form", ["~", "/~", "", ".", "..", "/", "empty", "plain/..", "both"])
def test_no_repository_is_a_failure(side: Side, form: str) -> None:
    """The original lists an empty configuration there."""
    done = side.run("configlist", form, "--", "autoinit=1", "--")
    assert (done.code, done.output) == (1, b"")
    assert "failed to read git config of git repository in" in done.said


def test_nothing_is_looked_for_upwards(side: Side) -> None:
    """A part of a repository is not the repository, though the original's configlist takes it for that."""
    for form in ("photos/.git/refs", "bare.git/refs/heads", "super/.git/modules", "it's a 'clone' \\ $(x)/.git/hooks"):
        assert side.run("configlist", form).code == 1


def test_content_in_every_shape(side: Side) -> None:
    """Work trees of one repository share its annex."""
    key = Repo.add(_as_repo(side.home / "photos"), "other", b"other")
    for form in ("photos", "linked", "link", "linked-link", "with-symlink", "home-link/detached", "photos/.git"):
        assert side.run("inannex", form, key).code == 0
    for form in ("super/sub", "sub-link", "apart", "apart-link", "bare"):
        done = side.run("inannex", form, key)
        assert (done.code, done.said) == (1, "")


def _as_repo(path: Path) -> Repo:
    repo = Repo.__new__(Repo)
    repo.path = path
    return repo


def test_a_home_from_passwd(side: Side) -> None:
    """Where there is no HOME."""
    me = pwd.getpwuid(os.getuid())
    form = os.path.relpath(side.home / "photos", me.pw_dir)
    expected = side.run("configlist", "photos")
    assert expected.code == 0
    for env in ({"HOME": ""}, {"HOME": me.pw_dir}):
        for prefix in ("", "~/", "/~/"):
            assert side.run("configlist", prefix + form, env=env) == expected
