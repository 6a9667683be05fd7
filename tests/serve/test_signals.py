"""The end of a session by a signal or a lost connection, at each stage of what it may be doing.

What was acknowledged is recorded and committed, what was promised is kept, and nothing else is left.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from tests.repo.places import make_repo, waiting_for
from tests.support.client import Client, sha256_key
from tests.support.real import Repo

Serve = Callable[..., Client]
Stage = Callable[[Client, Repo], None]

FIRST = b"stored and acknowledged before"
SMALL = b"a content of a few bytes"
LARGE = os.urandom(3_000_000)
FIRST_KEY, SMALL_KEY, LARGE_KEY = map(sha256_key, (FIRST, SMALL, LARGE))


# Stages


def in_a_line(client: Client, repo: Repo) -> None:
    client.raw(b"CHECKPRESENT SHA2")


def before_the_data(client: Client, repo: Repo) -> None:
    assert client.ask(f"PUT  {LARGE_KEY}") == "PUT-FROM 0"


def in_small_data(client: Client, repo: Repo) -> None:
    assert client.ask(f"PUT  {SMALL_KEY}") == "PUT-FROM 0"
    client.raw(b"DATA %d\n" % len(SMALL) + SMALL[:5])


def in_large_data(client: Client, repo: Repo) -> None:
    assert client.ask(f"PUT  {LARGE_KEY}") == "PUT-FROM 0"
    client.raw(b"DATA %d\n" % len(LARGE) + LARGE[:2_500_000])
    partial = repo.annex_dir / "tmp" / LARGE_KEY
    waiting_for(lambda: partial.exists() and partial.stat().st_size >= 1 << 21)


def behind_the_data(client: Client, repo: Repo) -> None:
    assert client.ask(f"PUT  {LARGE_KEY}") == "PUT-FROM 0"
    client.raw(b"DATA %d\n" % len(LARGE) + LARGE)
    partial = repo.annex_dir / "tmp" / LARGE_KEY
    waiting_for(lambda: partial.exists() and partial.stat().st_size == len(LARGE))


def while_sending(client: Client, repo: Repo) -> None:
    assert client.put(LARGE_KEY, LARGE) == "SUCCESS"
    assert client.ask(f"GET 0  {LARGE_KEY}").startswith("DATA ")
    client.data(100)


def before_the_answer(client: Client, repo: Repo) -> None:
    assert client.ask(f"GET 0  {FIRST_KEY}").startswith("DATA ")
    assert client.data(len(FIRST)) == FIRST
    assert client.line() == "VALID"


def while_it_locks(client: Client, repo: Repo) -> None:
    assert client.ask(f"LOCKCONTENT {FIRST_KEY}") == "SUCCESS"


def idle(client: Client, repo: Repo) -> None:
    pass


STAGES = [
    idle,
    in_a_line,
    before_the_data,
    in_small_data,
    in_large_data,
    behind_the_data,
    while_sending,
    before_the_answer,
    while_it_locks,
]


# Ways to end


def by(number: signal.Signals) -> Callable[[Client], None]:
    return lambda client: client.process.send_signal(number)


def by_the_end_of_input(client: Client) -> None:
    client.stdin.close()


def by_a_lost_connection(client: Client) -> None:
    """sshd closes all three."""
    for pipe in (client.stdin, client.stdout, client.process.stderr):
        assert pipe is not None
        pipe.close()


HARMLESS: dict[Stage, tuple[str, ...]] = {idle: ("end", "loss"), in_a_line: ("end", "loss"), behind_the_data: ("end",)}

SIGNALS = {
    "HUP": by(signal.SIGHUP),
    "TERM": by(signal.SIGTERM),
    "INT": by(signal.SIGINT),
}
WAYS = {**SIGNALS, "end": by_the_end_of_input, "loss": by_a_lost_connection}


def errors_of(client: Client) -> str:
    """Waits for the end of the session; returns what it wrote to standard error."""
    if client.stdout.closed:
        client.process.wait(client.timeout)
        return ""
    _, errors = client.close()
    return errors


def left_behind(repo: Repo) -> set[str]:
    """Files of locks, of transfers that are running, and in scratch space."""
    found = {path.name for path in repo.annex_dir.glob("transfer/*load/**/*") if path.is_file()}
    found |= {path.name for path in repo.annex_dir.glob("othertmp/*")}
    return found | {path.suffix for path in repo.annex_dir.glob("objects/*/*/*/*.lck")}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("way", WAYS)
def test_ends(tmp_path: Path, serve: Serve, stage: Callable[[Client, Repo], None], way: str) -> None:
    repo = make_repo(tmp_path / "repo")
    client = serve(repo)
    assert client.put(FIRST_KEY, FIRST) == "SUCCESS"
    stage(client, repo)
    WAYS[way](client)
    errors = errors_of(client)
    assert client.process.returncode == (0 if way in HARMLESS.get(stage, ()) else 1), errors
    assert len(errors.splitlines()) <= 1
    assert "Traceback" not in errors
    assert "internal" not in errors
    assert way not in SIGNALS or "ended by a signal" in errors
    assert repo.location_log(FIRST_KEY) == {repo.uuid: "1"}
    assert os.listdir(repo.annex_dir / "journal") == []
    assert left_behind(repo) == ({".lck"} if stage is while_it_locks else set())


@pytest.mark.parametrize("way", WAYS)
def test_uploads_go_on_afterwards(tmp_path: Path, serve: Serve, way: str) -> None:
    repo = make_repo(tmp_path / "repo")
    client = serve(repo)
    in_large_data(client, repo)
    WAYS[way](client)
    errors_of(client)
    offset = (repo.annex_dir / "tmp" / LARGE_KEY).stat().st_size
    assert 1 << 21 <= offset <= 2_500_000
    client = serve(repo)
    assert client.ask(f"PUT  {LARGE_KEY}") == f"PUT-FROM {offset}"
    client.raw(b"DATA %d\n%bVALID\n" % (len(LARGE) - offset, LARGE[offset:]))
    assert client.line() == "SUCCESS"
    assert client.get(LARGE_KEY) == LARGE


@pytest.mark.parametrize("way", WAYS)
def test_locked_content_stays_locked(tmp_path: Path, serve: Serve, programs: Path, way: str) -> None:
    """The client may not know yet, and relies on it."""
    repo = make_repo(tmp_path / "repo")
    client = serve(repo)
    assert client.put(FIRST_KEY, FIRST) == "SUCCESS"
    while_it_locks(client, repo)
    WAYS[way](client)
    errors_of(client)
    assert serve(repo).ask(f"REMOVE {FIRST_KEY}") == "FAILURE"
    assert serve(repo, program=programs / "git-annex-shell").ask(f"REMOVE {FIRST_KEY}") == ""
    assert serve(repo).get(FIRST_KEY) == FIRST


# While it is at work


class Gate:
    """A command of the owner's that waits for us."""

    def __init__(self, repo: Repo, setting: str, more: str = "") -> None:
        self._started, self._go_on = repo.path / "started", repo.path / "go on"
        for fifo in (self._started, self._go_on):
            os.mkfifo(fifo)
        repo.git("config", setting, f"echo > '{self._started}'; read x < '{self._go_on}'; {more}")
        self._repo, self._setting = repo, setting

    def reached(self) -> None:
        self._started.read_text()

    def open(self) -> None:
        self._repo.git("config", "--unset", self._setting)
        self._go_on.write_text("\n")


@pytest.mark.parametrize("way", WAYS)
def test_work_on_disk_is_finished(tmp_path: Path, serve: Serve, way: str) -> None:
    """However often we are asked to end: an object that was begun to be removed is removed, and recorded as such."""
    repo = make_repo(tmp_path / "repo")
    with serve(repo) as client:
        assert client.put(FIRST_KEY, FIRST) == "SUCCESS"
        client.close()
    gate = Gate(repo, "annex.secure-erase-command", ": %file")
    client = serve(repo)
    client.send(f"REMOVE {FIRST_KEY}")
    gate.reached()
    for _ in range(3 if way in SIGNALS else 1):
        WAYS[way](client)
    gate.open()
    if way == "end":
        assert client.line() == "SUCCESS"
    errors_of(client)
    assert client.process.returncode == (0 if way == "end" else 1)
    assert repo.location_log(FIRST_KEY) == {repo.uuid: "0"}
    assert not list(repo.annex_dir.glob("objects/*/*/*"))


@pytest.mark.parametrize("way", SIGNALS)
def test_the_commit_is_finished(tmp_path: Path, serve: Serve, way: str) -> None:
    repo = make_repo(tmp_path / "repo")
    gate = Gate(repo, "annex.commitmessage-command", "echo a message")
    client = serve(repo)
    assert client.put(FIRST_KEY, FIRST) == "SUCCESS"
    client.stdin.close()
    gate.reached()
    WAYS[way](client)
    gate.open()
    errors = errors_of(client)
    assert (client.process.returncode, errors) == (0, "")
    assert repo.git("log", "-1", "--format=%s", "git-annex") == "a message\n"
    assert repo.location_log(FIRST_KEY) == {repo.uuid: "1"}


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_reads_nothing(tmp_path: Path, serve: Serve, way: str) -> None:
    """The session waits for it, and can be ended all the same."""
    repo = make_repo(tmp_path / "repo")
    client = serve(repo)
    assert client.put(FIRST_KEY, FIRST) == "SUCCESS"
    capacity = fcntl.fcntl(client.stdout, fcntl.F_SETPIPE_SZ, 4096)
    client.raw(b"CHECKPRESENT WORM--x\n" * (capacity // len(b"FAILURE\n") + 100))
    waiting_for(lambda: waiting_in(client.stdout) == capacity)
    WAYS[way](client)
    errors_of(client)
    assert client.process.returncode == (0 if way == "end" else 1)
    assert repo.location_log(FIRST_KEY) == {repo.uuid: "1"}


def waiting_in(pipe: IO[bytes]) -> int:
    """How many bytes could be read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_nobody_reads_what_we_complain_of(tmp_path: Path, serve: Serve) -> None:
    repo = make_repo(tmp_path / "repo")
    client = serve(repo)
    assert client.process.stderr is not None
    client.process.stderr.close()
    assert client.put(FIRST_KEY, b"something else") == "FAILURE"
    assert client.put(FIRST_KEY, FIRST) == "SUCCESS"
    client.stdin.close()
    assert client.line() == ""
    client.process.wait(client.timeout)
    assert repo.location_log(FIRST_KEY) == {repo.uuid: "1"}


def test_a_command_that_fails_when_nobody_listens(shell: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([shell, "inannex", "/nowhere", "WORM--x"], stderr=writing, check=False)
    finally:
        os.close(writing)
    assert done.returncode == 1
