"""The real git-annex: where its binary is, and repositories made by it."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def real_binary() -> Path:
    """The git-annex binary: that of the PyPI package, past its slow wrapper, or else the one on PATH."""
    spec = find_spec("git_annex")
    if spec is not None and spec.origin is not None:
        inside = Path(spec.origin).with_name("git-annex")
        if inside.exists():
            return inside
    found = shutil.which("git-annex")
    if found is None:
        raise RuntimeError("the tests need git-annex: pip install git-annex")
    return Path(found)


def run(*argv: str | bytes | Path, cwd: Path | None = None, check: bool = True, **kwargs: Any) -> str:
    """Runs a program and returns its output; both streams are shown when it fails."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{argv} exited with {done.returncode}\n{done.stdout!r}\n{done.stderr!r}")
    return os.fsdecode(done.stdout)


class Repo:
    """A repository that the real git-annex made."""

    def __init__(self, path: Path, bare: bool = False, init: bool = True, version: int | None = None) -> None:
        self.path = path
        self.git_dir = path if bare else path / ".git"
        self.annex_dir = self.git_dir / "annex"
        run("git", "init", "-q", *(["--bare"] if bare else []), path)
        if init:
            options = [f"--version={version}"] if version else []
            run("git", "annex", "init", "-q", path.name, *options, cwd=path)

    @property
    def uuid(self) -> str:
        return self.git("config", "annex.uuid").strip()

    def git(self, *args: str | bytes, check: bool = True) -> str:
        return run("git", *args, cwd=self.path, check=check)

    def annex(self, *args: str | bytes, check: bool = True) -> str:
        return run("git", "annex", *args, cwd=self.path, check=check)

    def add(self, name: str, content: bytes) -> str:
        """Adds a file and returns its key."""
        (self.path / name).write_bytes(content)
        self.annex("add", "-q", name)
        self.git("commit", "-qm", f"add {name}")
        return self.annex("lookupkey", name).strip()

    def location_log(self, key: str) -> dict[str, str]:
        """Status by uuid, from the branch alone: what is only in the journal doesn't show."""
        path = self.annex("examinekey", "--format=${hashdirlower}${key}", key).strip()
        text = self.git("cat-file", "blob", f"git-annex:{path}.log", check=False)
        return {line.split()[2]: line.split()[1] for line in text.splitlines()}
