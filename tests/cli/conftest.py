"""Both git-annex-shells, and repositories for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.sides import Sides, contents, make_home


@pytest.fixture(scope="session")
def sides_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that needs them makes the repositories, in the environment of a test."""
    return tmp_path_factory.mktemp("sides")


def make_sides(made: Path, programs: Path, shell: Path, directory: Path) -> Sides:
    if not (made / "template").exists():
        make_home(made / "template")
    return Sides(programs / "git-annex-shell", shell, made / "template", directory)


@pytest.fixture
def sides(sides_directory: Path, programs: Path, shell: Path, tmp_path: Path) -> Sides:
    """Both programs, with repositories that the test may change."""
    return make_sides(sides_directory, programs, shell, tmp_path / "sides")


_shared: list[Sides] = []


@pytest.fixture
def unchanged(sides_directory: Path, programs: Path, shell: Path) -> Iterator[Sides]:
    """Both programs, with repositories in which nothing may change."""
    if not _shared:
        _shared.append(make_sides(sides_directory, programs, shell, sides_directory / "shared"))
    (both,) = _shared
    before = contents(both.ours.home)
    yield both
    assert contents(both.ours.home) == before
