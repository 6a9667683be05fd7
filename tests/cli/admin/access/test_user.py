"""annexshell user: the file of passwords."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.admin import ROOT, Done, ours, succeed
from tests.support.terminal import OURS, Terminal

bcrypt = pytest.importorskip("bcrypt")


def user(path: Path, *args: str, password: str | None = None) -> Done:
    words = ["user", *args[:1], f"--file={path}", *args[1:]]
    if password is None:
        return ours(path.parent, *words)
    command = [*OURS, *words, "--stdin"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return Done(subprocess.run(command, input=password.encode() + b"\n", capture_output=True, env=env))


def passwords(path: Path) -> dict[str, str]:
    return dict(line.split(":", 1) for line in path.read_text().splitlines())


def test_users_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    assert succeed(user(path, "list")) == ""
    succeed(user(path, "add", "alice", password="first one"))
    succeed(user(path, "add", "bob", password="two"))
    found = passwords(path)
    assert bcrypt.checkpw(b"first one", found["alice"].encode())
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o600)
    succeed(user(path, "passwd", "alice", password="third"))
    changed = passwords(path)
    assert list(changed) == ["alice", "bob"]
    assert bcrypt.checkpw(b"third", changed["alice"].encode())
    assert changed["bob"] == found["bob"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert succeed(user(path, "list")) == "alice\nbob\n"
    assert succeed(user(path, "remove", "alice")) == f"removed: alice in {path}\n"
    assert list(passwords(path)) == ["bob"]
    assert "is the last user" in user(path, "remove", "bob").err


def test_what_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    succeed(user(path, "add", "alice", password="x"))
    before = path.read_bytes()
    for name in ("a:b", "", " x", "#x", "@staff", "users", "anonymous", "a\nb"):
        assert user(path, "add", name, password="x").code == 1, name
    for password in ("", "...", "x" * 73):
        assert "between 1 and 72 bytes" in user(path, "add", "carol", password=password).err
    assert "there is already a user alice" in user(path, "add", "alice", password="x").err
    assert "there is no user bob" in user(path, "passwd", "bob", password="x").err
    assert "there is no user bob" in user(path, "remove", "bob").err
    assert path.read_bytes() == before
    path.write_text("alice:plain\n")
    assert "line 1: only bcrypt hashes" in user(path, "add", "bob", password="x").err


def test_other_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    hashed = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    path.write_text(f"# those of the lab\n\nalicia:{hashed}")
    succeed(user(path, "add", "alice", password="y"))
    assert path.read_text().startswith(f"# those of the lab\n\nalicia:{hashed}\nalice:")
    succeed(user(path, "remove", "alice"))
    assert path.read_text() == f"# those of the lab\n\nalicia:{hashed}\n"


@pytest.mark.parametrize("same", [True, False])
def test_it_asks_twice(tmp_path: Path, same: bool) -> None:
    path = tmp_path / "passwords"
    terminal = Terminal(tmp_path, "user", "add", f"--file={path}", "alice")
    terminal.see(lambda seen: b"Password: " in seen)
    terminal.press(b"hunter2\n")
    terminal.see(lambda seen: b"Once more: " in seen)
    terminal.press(b"hunter2\n" if same else b"other\n")
    assert terminal.end() == (0 if same else 1)
    terminal.close()
    assert path.exists() == same
    assert b"hunter2" not in terminal.written
