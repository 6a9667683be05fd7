"""`bin/test PATH...` runs these tests and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

PYTHON = """#!/bin/sh
echo "$@" >>"$(dirname "$0")/called"
"""
PYTEST = "-m pytest tests/wire -x"


@pytest.fixture()
def checkout(tmp_path: Path) -> Path:
    """What bin/test needs, with a Python that only notes what it is called for."""
    for name in ("bin/test", "setup.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("python", "pip"):
        (programs / name).write_text(PYTHON)
        (programs / name).chmod(0o755)
    return tmp_path


def run(checkout: Path) -> list[str]:
    """What Python is called for."""
    called = checkout / ".venv/bin/called"
    called.unlink(missing_ok=True)
    env = {"PATH": "/usr/bin:/bin"}  # without MACHINE
    subprocess.run([checkout / "bin/test", "tests/wire", "-x"], check=True, env=env, capture_output=True)
    return called.read_text().splitlines()


def test_paths_are_all_that_is_run(checkout: Path) -> None:
    shutil.copy(checkout / "setup.cfg", checkout / ".venv/installed.cfg")
    assert run(checkout) == [PYTEST]


@pytest.mark.parametrize("stamp", [None, "[metadata]\n"])
def test_packages_are_installed_when_setup_cfg_has_changed(checkout: Path, stamp: str | None) -> None:
    if stamp is not None:
        (checkout / ".venv/installed.cfg").write_text(stamp)
    first, second = run(checkout)
    assert first.startswith("-m pip install")
    assert second == PYTEST
    assert run(checkout) == [PYTEST]
