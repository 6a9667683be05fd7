"""Many requests in a row to the real git-annex-shell and to ours, on copies of one repository: the answers, what is on
disk after each, and what is recorded in the end are the same. SEED=n in the environment makes it other requests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conftest import CLIENT_UUID
from tests.repo.places import make_repo
from tests.support.client import Client, sha256_key
from tests.support.real import Repo

REQUESTS = 80
CONTENTS = [b"", b"x", b"hello world", bytes(70_000), b"ab" * 600_000]
NONSENSE = ["FOO", "GET", "PUT x", "SUCCESS", "DATA 5", "VALID", "VERSION x"]

# Not annex.verify=false and annex.securehashesonly, in which we differ (tests/store/test_ingest.py).
KINDS: list[tuple[int, dict[str, object], list[str]]] = [
    (4, {}, []),
    (0, {"bare": True}, []),
    (1, {"version": 8}, []),
    (2, {"version": 9, "shared": "group"}, []),
    (3, {"shared": "all"}, ["annex.pidlock=true"]),
    (4, {"bare": True}, ["annex.private=true", "annex.tune.objecthash1=true"]),
    (4, {}, ["annex.thin=true", "annex.alwayscommit=false"]),
    (4, {"bare": True}, ["annex.crippledfilesystem=true", "annex.alwayscompact=false"]),
]


def keys_of(number: int, content: bytes) -> list[str]:
    """Keys of several backends for one content."""
    size = len(content)
    return [
        sha256_key(content),
        f"SHA256E-s{size}--{hashlib.sha256(content).hexdigest()}.tar.gz",
        f"MD5-s{size}--{hashlib.md5(content).hexdigest()}",
        f"WORM-s{size}-m123--file{number}",
        f"WORM-s{size}-S100-C{number + 1}--chunked",
        f"URL--http://example.com/{number}",
    ]


KEYS = {key: content for number, content in enumerate(CONTENTS) for key in keys_of(number, content)}


class Side:
    """A session that is asked whatever the dice say."""

    def __init__(self, program: Path, repo: Repo, version: int, seed: int) -> None:
        self.repo = repo
        self.client = Client(program, "p2pstdio", str(repo.path), CLIENT_UUID)
        self._version = version
        self._dice = Random(seed)
        if version:
            assert self.client.ask(f"VERSION {version}") == f"VERSION {version}"

    def step(self) -> tuple[object, ...]:
        """A request; returns what it was, what came of it, and what is on disk then."""
        requests = [self._put, self._put, self._get, self._get, self._remove, self._lock, self._look, self._stray]
        request = self._dice.choice(requests)
        key = self._dice.choice(list(KEYS)[: self._dice.choice([8, len(KEYS)])])
        return request.__name__, key, request(key, KEYS[key]), objects(self.repo), partials(self.repo)

    def _put(self, key: str, content: bytes) -> object:
        what, there = self._dice.choice(["rest"] * 4 + ["bad", "less", "more", "nothing"]), self._dice.random()
        if self._dice.random() < 0.2:
            (self.repo.annex_dir / "tmp").mkdir(exist_ok=True)
            (self.repo.annex_dir / "tmp" / file_name(key)).write_bytes(content[: int(there * len(content))])
        answer = self.client.ask(f"PUT a%file {key}")
        if not answer.startswith("PUT-FROM "):
            return answer
        if self._dice.random() < 0.1:
            return what, answer, self.client.ask("DATA-PRESENT")
        rest = content[int(answer.split()[1]) :]
        data = {"rest": rest, "bad": b"?" * len(rest), "less": rest[:-1], "more": rest + b"!", "nothing": b""}[what]
        validity = b"INVALID\n" if what == "nothing" or self._dice.random() < 0.2 else b"VALID\n"
        self.client.raw(b"DATA %d\n%b%b" % (len(data), data, validity if self._version else b""))
        return what, answer, self.client.line()

    def _get(self, key: str, content: bytes) -> object:
        offset = self._dice.choice([0, 0, int(self._dice.random() * len(content)), len(content) + 5])
        header = self.client.ask(f"GET {offset} a%file {key}")
        data = self.client.data(int(header.removeprefix("DATA ")))
        validity = self.client.line() if self._version else ""
        self.client.send(self._dice.choice(["SUCCESS", "FAILURE"]))
        return header, data == content[offset:], validity

    def _remove(self, key: str, content: bytes) -> object:
        before = self._dice.choice(["REMOVE", "REMOVE", "REMOVE-BEFORE 1", "REMOVE-BEFORE 99999999999"])
        return before, self.client.ask(f"{before} {key}")

    def _lock(self, key: str, content: bytes) -> object:
        answer = self.client.ask(f"LOCKCONTENT {key}")
        if answer == "SUCCESS":
            return self.client.ask("UNLOCKCONTENT", f"CHECKPRESENT {key}")
        return answer

    def _look(self, key: str, content: bytes) -> object:
        return self.client.ask(f"CHECKPRESENT {key}")

    def _stray(self, key: str, content: bytes) -> object:
        line = self._dice.choice(NONSENSE)
        return line, self.client.ask(line)


def file_name(key: str) -> str:
    return key.replace("&", "&a").replace("%", "&s").replace(":", "&c").replace("/", "%")


def objects(repo: Repo) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in repo.annex_dir.glob("objects/**/*") if path.is_file()}


def partials(repo: Repo) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in repo.annex_dir.glob("tmp/*")}


def recorded(repo: Repo) -> dict[str, object]:
    """What is left at the end; but of failed transfers only those to us, as we don't remember the others."""
    transfers = [path.relative_to(repo.annex_dir) for path in repo.annex_dir.glob("transfer/**/*") if path.is_file()]
    return {
        "logs": {key: repo.location_log(key) for key in keys_of(1, CONTENTS[1]) + keys_of(3, CONTENTS[3])},
        "branch": repo.git("ls-tree", "-r", "--name-only", "git-annex"),
        "journal": {path.name for path in repo.annex_dir.glob("journal*/*")},
        "transfers": {path for path in transfers if path.parts[:3] != ("transfer", "failed", "upload")},
    }


@pytest.fixture
def begin(shell: Path, programs: Path, tmp_path: Path) -> Iterator[Callable[..., list[Side]]]:
    """begin(seed, version, kind, settings) is a session of each program."""
    sides: list[Side] = []

    def start(seed: int, version: int, kind: dict[str, Any], settings: list[str]) -> list[Side]:
        for name, program in (("ours", shell), ("real", programs / "git-annex-shell")):
            repo = make_repo(tmp_path / name, **kind)
            for setting in settings:
                repo.git("config", *setting.split("="))
            sides.append(Side(program, repo, version, seed))
        return sides

    yield start
    for side in sides:
        side.client.__exit__()


@pytest.mark.parametrize("seed", range(len(KINDS)))
def test_both_do_the_same(begin: Callable[..., list[Side]], seed: int) -> None:
    ours, real = begin(seed + int(os.environ.get("SEED", "0")), *KINDS[seed])
    for number in range(REQUESTS):
        expected = real.step()
        assert ours.step() == expected, f"request {number}"
    assert ours.client.close()[0] == real.client.close()[0] == 0
    assert recorded(ours.repo) == recorded(real.repo)
