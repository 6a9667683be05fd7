"""bin/demo, but for what it installs: all its steps work, with an sshd and where there can't be one."""

from __future__ import annotations

import os
import sys
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT
from tests.support import sshd

PATIENCE = 20.0  # seconds


@pytest.fixture
def demo(shell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program as a module, with our git-annex-shell in place of an installed one."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = spec_from_loader("demo", SourceFileLoader("demo", str(ROOT / "bin/demo")))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/git-annex-shell").symlink_to(shell)
    vars(module)["VENV"] = tmp_path / "venv"
    return module


def play(demo: ModuleType, top: Path) -> None:
    top.mkdir()
    demonstration = demo.Demo(top)
    try:
        demonstration.play()
    finally:
        demonstration.close()


@pytest.mark.skipif(bool(sshd.missing()), reason=sshd.missing())
def test_with_an_sshd(demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(demo, tmp_path / "top")
    output = capsys.readouterr().out
    assert "STAND-IN" not in output
    assert "All of it worked." in output
    deadline = time.monotonic() + PATIENCE
    while going_on := processes(tmp_path / "top"):
        assert time.monotonic() < deadline, going_on
        time.sleep(0.01)


def processes(directory: Path) -> list[bytes]:
    """The commands that are running with something in this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended just now
                continue
            if os.fsencode(directory) in command:
                found.append(command)
    return found


def test_without_an_sshd(
    demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshd, "missing", lambda: "there is none")
    play(demo, tmp_path / "top")
    output = capsys.readouterr().out
    assert "There can't be an sshd here (there is none), so a STAND-IN" in " ".join(output.split())
    assert "All of it worked." in output


def test_a_step_that_fails(
    demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshd, "missing", lambda: "there is none")
    (tmp_path / "venv/bin/git-annex-shell").unlink()
    (tmp_path / "venv/bin/git-annex-shell").symlink_to("/bin/false")
    with pytest.raises(SystemExit, match="FAILED: git push -q origin main git-annex exited with 128"):
        play(demo, tmp_path / "top")
    assert "All of it worked." not in capsys.readouterr().out
