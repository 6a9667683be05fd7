"""A repository with one content, and sessions of both programs that lock and remove it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conftest import CLIENT_UUID
from tests.repo.places import make_repo
from tests.support.client import Client, sha256_key
from tests.support.real import Repo

CONTENT = b"a content that somebody relies on"
KEY = sha256_key(CONTENT)
SIDES = ["ours", "real"]


class Place:
    """A repository that has the content, and both programs to use it with."""

    def __init__(self, repo: Repo, programs: dict[str, Path], clients: list[Client]) -> None:
        self.repo = repo
        self._programs = programs
        self._clients = clients
        with self.connect("ours") as client:
            assert client.put(KEY, CONTENT) == "SUCCESS"
            assert client.close() == (0, "")
        (self.object,) = repo.annex_dir.glob(f"objects/*/*/{KEY}/{KEY}")

    def connect(self, side: str) -> Client:
        """A session, which the test may leave open."""
        client = Client(self._programs[side], "p2pstdio", str(self.repo.path), CLIENT_UUID)
        self._clients.append(client)
        assert client.ask("VERSION 4") == "VERSION 4"
        return client

    def locker(self, side: str) -> Client:
        """A session that holds a lock."""
        client = self.connect(side)
        assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
        return client

    def removes(self, side: str) -> bool:
        """Whether a removal works."""
        with self.connect(side) as client:
            answer = client.ask(f"REMOVE {KEY}")
            _, errors = client.close()
        assert answer in (("SUCCESS", "FAILURE") if side == "ours" else ("SUCCESS", "")), errors
        assert (answer == "SUCCESS") == (not errors)
        if answer != "SUCCESS":
            assert "content is locked" in errors
            assert self.object.read_bytes() == CONTENT
        else:
            assert not self.object.exists()
        return answer == "SUCCESS"

    def command(self, side: str, *args: str) -> int:
        argv: list[str | Path] = [self._programs[side], args[0], self.repo.path, *args[1:]]
        return subprocess.run(argv, capture_output=True, check=False).returncode

    def beside(self) -> set[str]:
        """What lies beside the object: the suffixes of its lock files."""
        return {path.name.removeprefix(KEY) for path in self.object.parent.iterdir()} - {""}

    def retain(self, text: bytes) -> None:
        """Puts a time stamp of retention beside the object."""
        self.object.parent.chmod(0o755)
        self.object.with_name(KEY + ".rtm").write_bytes(text)

    @property
    def claims(self) -> Path:
        """The file of the claims on the content."""
        return self.repo.annex_dir / "annexshell" / "claims" / KEY

    def expire(self, text: bytes = b"1s") -> None:
        """Lets all retention be over."""
        self.retain(text)
        if self.claims.exists():
            self.claims.write_bytes(b"0 0\n")

    def deadline(self) -> float:
        """The time in the time stamp, whose form both programs have to be able to read."""
        text = self.object.with_name(KEY + ".rtm").read_text()
        assert re.fullmatch(r"[0-9]+(\.[0-9]{1,12})?s", text), text
        return float(text[:-1])


def unlock(client: Client) -> None:
    """Ends a lock; on return it has happened."""
    assert client.ask("UNLOCKCONTENT", f"CHECKPRESENT {KEY}") == "SUCCESS"


def places(shell: Path, programs: Path, directory: Path) -> Iterator[Callable[..., Place]]:
    """Yields a function that makes a Place of a version; ends its sessions afterwards."""
    clients: list[Client] = []
    both = {"ours": shell, "real": programs / "git-annex-shell"}

    def make(version: int = 10, **options: Any) -> Place:
        return Place(make_repo(directory / "place", version=version, **options), both, clients)

    yield make
    for client in clients:
        client.__exit__()
