"""Clients of a server: clones driven by the newest git-annex, or by one from before most of the protocol existed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.real import run

OLD_VERSION = "10.20230126"  # Debian 12's; protocol version 1


def old_git_annex(cache: Path) -> Path | None:
    """A directory with the old git-annex, downloaded on the first call; None if it can't be had here."""
    kept = cache / OLD_VERSION
    programs = kept / "usr" / "bin"
    if not programs.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            unpacked = _download(Path(scratch))
            if unpacked is None:
                return None
            try:
                unpacked.rename(kept)
            except OSError:  # another run was faster
                pass
    version = subprocess.run([programs / "git-annex", "version", "--raw"], capture_output=True)
    return programs if version.stdout.startswith(OLD_VERSION.encode()) else None


def _download(directory: Path) -> Path | None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return None
    command = ["apt-get", "-q", "download", "git-annex"]
    try:
        subprocess.run(command, cwd=directory, capture_output=True, check=True, timeout=60)
        (package,) = directory.glob(f"git-annex_{OLD_VERSION}*.deb")
        subprocess.run(["dpkg", "-x", package, directory / "unpacked"], check=True, timeout=60)
    except (subprocess.SubprocessError, ValueError):
        return None
    return directory / "unpacked"


class Clone:
    """A repository of a client's. `programs` is where its git-annex is."""

    def __init__(self, path: Path, programs: Path) -> None:
        self.path = path
        self.env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}

    @classmethod
    def of(cls, url: str, path: Path, programs: Path) -> Clone:
        """Makes one."""
        clone = cls(path, programs)
        run("git", "clone", "-q", url, path, env=clone.env)
        clone.annex("init", "-q", path.name)
        assert clone.git("config", "remote.origin.annex-uuid"), "the client took the server for a plain git one"
        return clone

    def close(self) -> None:
        """Ends the connections that git-annex may have left open for its next run."""
        for socket in (self.path / ".git" / "annex").glob("ssh/*"):
            if socket.is_socket():
                subprocess.run(["ssh", "-O", "exit", "-S", socket, "none"], env=self.env, capture_output=True)

    @property
    def uuid(self) -> str:
        return self.git("config", "annex.uuid").strip()

    def git(self, *args: str | Path) -> str:
        return run("git", *args, cwd=self.path, env=self.env)

    def try_git(self, *args: str) -> subprocess.CompletedProcess[str]:
        """A command that may fail, with what it prints."""
        return subprocess.run(["git", *args], cwd=self.path, env=self.env, capture_output=True, text=True)

    def fail_git(self, *args: str) -> str:
        """What a git command says that has to fail."""
        done = self.try_git(*args)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def annex(self, *args: str | Path) -> str:
        return run("git", "annex", *args, cwd=self.path, env=self.env)

    def try_annex(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """A command that may fail, with what it prints."""
        return subprocess.run(["git", "annex", *args], cwd=self.path, env=self.env, capture_output=True, text=True)

    def json(self, *args: str | Path) -> list[dict[str, Any]]:
        """The results of a command, one for each file. It may fail."""
        done = self.try_annex(*args, "--json", "--json-error-messages")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def add(self, names: Sequence[str], size: int = 100) -> dict[str, str]:
        """Commits new files, each of other content than any before, and returns their keys by name."""
        for name in names:
            (self.path / name).parent.mkdir(exist_ok=True)
            (self.path / name).write_bytes(os.urandom(16).hex().encode() + name.encode().ljust(size, b"."))
        self.annex("add", "-q", *names)
        self.git("commit", "-q", "-m", "more files")
        return {name: self.key(name) for name in names}

    def key(self, name: str) -> str:
        return self.annex("lookupkey", name).strip()

    def has(self, name: str) -> bool:
        """Whether the content of a file is here."""
        return (self.path / name).exists()

    def whereis(self, name: str) -> set[str]:
        """The uuids of the repositories that are said to have the content, as far as this clone knows."""
        (found,) = self.json("whereis", name) or [{"whereis": []}]
        return {place["uuid"] for place in found["whereis"]}
