"""Verbs that take long show on a terminal how far they are, and end when a person presses ^C."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annexshell.disk.filelock import FileLocks
from tests.bench.repositories import log_locations
from tests.support.admin import git, ours, succeed
from tests.support.real import Repo
from tests.support.terminal import Terminal

INTERRUPT = b"\x03"


@pytest.fixture
def start() -> Iterator[Callable[..., Terminal]]:
    terminals: list[Terminal] = []

    def start(place: Path, *arguments: str, **env: str) -> Terminal:
        terminals.append(Terminal(place, *arguments, **env))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def drawn(terminal: Terminal) -> list[str]:
    """What was on the line at one time or another, but not in the end."""
    texts = re.findall(r"\r([^\r\n]+)(?=\r(?!\n))", terminal.written.decode())
    return [text.rstrip() for text in texts if text.strip()]


def left(terminal: Terminal) -> str:
    """What a person sees in the end."""
    shown = []
    for line in terminal.written.decode().split("\r\n"):
        seen = ""
        for text in line.split("\r"):
            seen = text + seen[len(text) :]
        shown.append(seen.rstrip())
    return "\n".join(shown)


def test_adding_up_sizes(bare: Repo, start: Callable[..., Terminal]) -> None:
    log_locations(bare, 300)
    terminal = start(bare.path, "maxsize")
    terminal.resize(20, 25)
    assert terminal.end() == 0
    assert drawn(terminal) == ["adding up sizes ["]  # and no more than fits
    assert left(terminal).startswith("   size maxsize  %full  repository\n  300 B ")
    (bare.annex_dir / "annexshell" / "sizes").unlink()
    quiet = start(bare.path, "maxsize", "--quiet")
    assert quiet.end() == 0
    assert drawn(quiet) == []
    (bare.annex_dir / "annexshell" / "sizes").unlink()
    assert ours(bare.path, "maxsize").err == ""


def test_who_waits_is_told_for_whom(bare: Repo, start: Callable[..., Terminal]) -> None:
    succeed(ours(bare.path, "maxsize"))
    path = bare.annex_dir / "annexshell"
    before = sorted(os.listdir(path))
    bare.annex("setpresentkey", "WORM-s7--x", bare.uuid, "1")
    lock = FileLocks().exclusive(os.fsencode(path / "sizes.lck"), 1.0)
    interrupted, patient = start(bare.path, "maxsize"), start(bare.path, "maxsize")
    try:
        for terminal in (interrupted, patient):
            terminal.see(lambda seen: b"waiting for another process that adds up sizes" in seen)
        interrupted.press(INTERRUPT)
        assert interrupted.end() == 130
    finally:
        lock.release()
    assert left(interrupted) == ""
    assert patient.end() == 0
    assert "    7 B" in left(patient)
    assert sorted(os.listdir(path)) == before


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_a_node_that_does_not_answer(repo: Repo, tmp_path: Path, start: Callable[..., Terminal], verb: str) -> None:
    """Nobody who has had enough waits for it."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/called\nexec sleep 60\n")
    ssh.chmod(0o755)
    git(repo.path, "config", "remote.slow.url", "ssh://slow.invalid/repo")
    git(repo.path, "config", "remote.slow.annex-uuid", "33333333-2222-4222-8222-222222222222")
    git(repo.path, "config", "remote.slow.annex-proxy", "true")
    terminal = start(repo.path, verb, GIT_SSH=str(ssh), GIT_ANNEX_USE_GIT_SSH="1")
    terminal.see(lambda seen: b"asking nodes [     " in seen)
    while not (tmp_path / "called").exists():
        terminal.see(lambda _: True)
    terminal.press(INTERRUPT)
    assert terminal.end() == 130
    assert "Traceback" not in left(terminal)
    assert "asking" not in left(terminal)


def test_simulating(repo: Repo, start: Callable[..., Terminal]) -> None:
    (repo.path / "a.sim").write_text("init a\nwanted a anything\n")
    terminal = start(repo.path, "sim", "--keys=5000", "a.sim")
    assert terminal.end() == 0
    assert drawn(terminal)[0].startswith("simulating [")
    assert left(terminal).startswith("after 5,000 uploads:\n")
    waiting = start(repo.path, "sim", "--keys=500000000", "a.sim")
    waiting.see(lambda seen: b"simulating" in seen)
    waiting.press(INTERRUPT)
    assert waiting.end() == 130
    assert left(waiting) == ""
