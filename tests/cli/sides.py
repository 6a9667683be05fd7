"""The original git-annex-shell and ours side by side, each with a home directory of its own that holds copies of the
same repositories."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.real import Repo, run

PRESENT = "SHA256E-s8--434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53"  # of "content\n"
ABSENT = "SHA256E-s3--0000000000000000000000000000000000000000000000000000000000000000"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Done:
    """What came of a command, without what can't be the same on both sides."""

    code: int
    output: bytes
    said: str

    @property
    def sentence(self) -> str:
        """The first line of what it said. The original shortens the home directory, and adds an empty line."""
        return self.said.replace("{home}/", "").replace("~/", "").split("\n")[0]


class Side:
    """One of the two programs, and its home directory."""

    def __init__(self, program: Path, home: Path, template: Path) -> None:
        self.program = program
        self.home = home
        shutil.copytree(template, home, symlinks=True)

    def environment(self, env: dict[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.home), "USER": "somebody", **(env or {})}

    def run(self, *argv: str, env: dict[str, str] | None = None, data: bytes = b"") -> Done:
        """Runs the command somewhere else than at home; `{home}` stands for that directory in its words."""
        words = [word.replace("{home}", str(self.home)) for word in argv]
        done = subprocess.run(
            [self.program, *words], input=data, capture_output=True, env=self.environment(env), cwd="/", timeout=30
        )
        said = os.fsdecode(done.stderr).replace(str(self.home), "{home}")
        return Done(done.returncode, done.stdout, said)


class Sides:
    """Both of them."""

    def __init__(self, original: Path, ours: Path, template: Path, directory: Path) -> None:
        self.original = Side(original, directory / "original", template)
        self.ours = Side(ours, directory / "ours", template)

    def run(self, *argv: str, env: dict[str, str] | None = None, data: bytes = b"") -> tuple[Done, Done]:
        """What the original makes of a command, and what we do."""
        return self.original.run(*argv, env=env, data=data), self.ours.run(*argv, env=env, data=data)


def make_home(home: Path) -> Path:
    """A home directory with repositories: `photos` has a work tree and the content of the key PRESENT, `bare.git` is
    bare, `plain` and `fresh.git` know nothing of git-annex, and `gcrypt.git` is one of git-remote-gcrypt's."""
    home.mkdir()
    shutil.copy(Path.home() / ".gitconfig", home)
    photos = Repo(home / "photos")
    assert photos.add("file", b"content\n") == PRESENT
    photos.git("checkout", "-q", "--detach")  # so that one may push to it
    Repo(home / "bare.git", bare=True)
    Repo(home / "plain", init=False)
    Repo(home / "fresh.git", bare=True, init=False)
    Repo(home / "gcrypt.git", bare=True, init=False)
    run("git", "config", "core.gcrypt-id", "abc", cwd=home / "gcrypt.git")
    return home


def without_uuids(text: str) -> str:
    return _UUID.sub("UUID", text)


def contents(directory: Path) -> dict[str, bytes]:
    """All below a directory, with the contents of files and the targets of symlinks."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(directory))] = os.fsencode(os.readlink(path))
        else:
            found[str(path.relative_to(directory))] = path.read_bytes() if path.is_file() else b""
    return found
