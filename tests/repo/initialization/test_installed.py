"""The git-annex on a PATH: a link to annexshell is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.repo.initialization.installed import installed
from tests.conftest import ROOT


def make(directory: Path, text: str, mode: int = 0o755) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "git-annex"
    path.write_text(text)
    path.chmod(mode)
    return path


def find(*directories: Path, after: Path | None = None) -> Path | None:
    env = {b"PATH": b":".join(map(os.fsencode, directories))}
    found = installed(env, None if after is None else os.fsencode(after))
    return None if found is None else Path(os.fsdecode(found))


@pytest.fixture
def real(programs: Path) -> Path:
    return programs


@pytest.fixture
def link(tmp_path: Path) -> Path:
    (tmp_path / "link").mkdir()
    (tmp_path / "link/git-annex").symlink_to(ROOT / "bin/annexshell")
    return tmp_path / "link"


def test_the_real_one(real: Path, tmp_path: Path) -> None:
    assert find(tmp_path, real) == real / "git-annex"


def test_neither_a_link_to_us_nor_a_copy(link: Path, tmp_path: Path) -> None:
    copy = make(tmp_path / "copy", (ROOT / "bin/annexshell").read_text())
    wrapper = make(tmp_path / "wrapper", '#!/bin/sh\nexec -a git-annex /opt/annexshell/bin/annexshell "$@"\n')
    assert find(link, copy.parent, wrapper.parent) is None


def test_one_that_comes_after_ours(link: Path, real: Path) -> None:
    assert find(link, real) == find(real, link) == find(link, real, after=link) == real / "git-annex"
    assert find(real, link, after=link) is None
    assert find(real, after=link) is None


def test_the_interpreter_may_be_anywhere(tmp_path: Path) -> None:
    """As where git-annex and annexshell are from PyPI, in one virtual environment."""
    path = make(tmp_path / "one", "#!/opt/annexshell/bin/python\nfrom git_annex import cli\n")
    assert find(path.parent) == path


def test_what_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "one/git-annex").mkdir(parents=True)
    make(tmp_path / "two", "#!/bin/sh\n", mode=0o644)
    (tmp_path / "three").mkdir()
    (tmp_path / "three/git-annex").symlink_to("nowhere")
    assert find(tmp_path / "one", tmp_path / "two", tmp_path / "three", tmp_path / "four") is None


def test_without_a_path() -> None:
    assert installed({b"PATH": b""}) is None
    assert installed({}, after=b"/nowhere") is None
