"""Which library reads requests, given those that there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

OLD, NONE = "__version__ = '0.1.1'\n", "raise ModuleNotFoundError('h11')\n"
ASK = "from annexshell.serve.http.http1.parsing import read_head; print(read_head.__module__.rpartition('.')[2])"


def run(fakes: dict[str, str], place: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with other modules in the place of libraries."""
    for name, text in fakes.items():
        (place / f"{name}.py").write_text(text)
    env = {**os.environ, "PYTHONPATH": f"{place}:{ROOT}"}
    return subprocess.run([sys.executable, *argv], env=env, cwd=place, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("fakes", "module"),
    [
        ({}, "parsing_httptools"),
        ({"h11": NONE}, "parsing_httptools"),
        ({"httptools": OLD}, "parsing_h11"),
        ({"httptools": NONE}, "parsing_h11"),
    ],
)
def test_the_library(tmp_path: Path, fakes: dict[str, str], module: str) -> None:
    assert run(fakes, tmp_path, "-c", ASK).stdout == module + "\n"


@pytest.mark.parametrize("httptools", [OLD, NONE])
def test_without_any_it_is_said_what_to_install(tmp_path: Path, httptools: str) -> None:
    fakes = {"httptools": httptools, "h11": NONE}
    done = run(fakes, tmp_path, str(ROOT / "bin" / "annexshell"), "p2phttp", "--port", "0")
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "this needs h11 (Debian has it as python3-h11), or httptools 0.6.4 or newer" in done.stderr
