"""bin/man makes manual pages of docs/ that the programs for reading them have nothing to say against."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.pages import MAN_PAGES, ROOT

needs_lowdown = pytest.mark.skipif(shutil.which("lowdown") is None, reason="lowdown is not installed")
LINTS = (["mandoc", "-Tlint", "-Wwarning"], ["groff", "-ww", "-mandoc", "-Tutf8", "-rLL=100n"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("man")
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    done = subprocess.run([ROOT / "bin/man", directory], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return directory


@needs_lowdown
def test_all_pages_are_made(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == {page.stem for page in MAN_PAGES}


@needs_lowdown
@pytest.mark.parametrize("page", MAN_PAGES, ids=lambda page: page.name)
def test_a_page(made: Path, page: Path) -> None:
    text = (made / page.stem).read_text()
    name = page.stem.rpartition(".")[0]
    assert f'.TH "{name.upper()}" "1" "2026-01-01" "annexshell ' in text
    assert f".SH\nNAME\n{name} - ".replace("-", r"\-") in text
    for left_over in (".md", "](", "**", "`", r"\fC"):
        assert left_over not in text.replace(r"security.md", "").replace(r"errors.md", ""), left_over


@needs_lowdown
@pytest.mark.parametrize("lint", LINTS, ids=lambda lint: lint[0])
@pytest.mark.parametrize("page", MAN_PAGES, ids=lambda page: page.name)
def test_nothing_is_wrong_with_it(made: Path, page: Path, lint: list[str]) -> None:
    if shutil.which(lint[0]) is None:
        pytest.skip(f"{lint[0]} is not installed")
    done = subprocess.run([*lint, made / page.stem], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    if lint[0] == "mandoc":
        assert done.stdout == ""


@pytest.mark.skipif(shutil.which("lowdown") is None or shutil.which("man") is None, reason="man is not installed")
def test_what_a_reader_sees(made: Path) -> None:
    env = {**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["man", "-l", made / "annexshell-p2phttp.1"], env=env, capture_output=True, text=True)
    assert "\n       --status-page\n           A page for browsers" in re.sub(r"(?<=\w) +", " ", done.stdout)
    assert "\n           annexshell p2phttp --wideopen --bind 127.0.0.1 --directory /srv/annex\n" in done.stdout


def test_how_it_is_called() -> None:
    done = subprocess.run([ROOT / "bin/man"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "usage: bin/man DIR\n")
