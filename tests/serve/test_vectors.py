"""Conversations recorded from the real git-annex-shell, replayed against ours through real processes on pipes.

Each is delivered in three ways: every message whole, byte by byte, and with the messages that follow already sent in
the same write.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.vectors import (
    EOF,
    KILL,
    SOMETHING,
    Item,
    Line,
    Session,
    Vector,
    Workspace,
    escape,
    is_payload,
    make_template,
    payload,
    read_vectors,
    show_payload,
    substitute,
    unescape,
)

VECTORS = read_vectors(Path(__file__).resolve().parent.parent / "vectors" / "direct")

WHOLE, BYTEWISE, PIPELINED = "whole", "bytewise", "pipelined"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors") / "template"


@pytest.fixture
def directory(template: Path, tmp_path: Path) -> Path:
    if not template.exists():  # made by the first test, in the environment of a test
        make_template(template)
    return tmp_path / "work"


@pytest.mark.parametrize("delivery", [WHOLE, BYTEWISE, PIPELINED])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.path.stem)
def test_answers_as_recorded(vector: Vector, delivery: str, shell: Path, template: Path, directory: Path) -> None:
    workspace = Workspace(directory, vector, template)
    for session in vector.sessions:
        if session.is_protocol:
            with Replay(shell, workspace, session, delivery) as replay:
                replay.run()
        elif delivery == WHOLE:
            run_command(shell, workspace, session)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.path.stem)
def test_is_written_as_it_was_read(vector: Vector) -> None:
    assert str(vector) == vector.path.read_text()
    assert not [
        str(line)
        for session in vector.sessions
        for line in session.lines
        if line.kind == "exchange" and any(item.text == SOMETHING for item in line.items)
    ], "not recorded yet"


def run_command(shell: Path, workspace: Workspace, session: Session) -> None:
    done = subprocess.run(
        [shell, *workspace.argv(session.command)],
        env={**os.environ, **workspace.env(session)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    found = [Line("stdout", escape(text)) for text in done.stdout.split(b"\n") if text]
    found += [Line("stderr", escape(text)) for text in done.stderr.split(b"\n") if text]
    found += [Line("exit", str(done.returncode))] * (done.returncode != 0)
    names = {**workspace.names, "HOST": os.uname().nodename, "DIR": str(workspace.directory)}
    expected = [Line(line.kind, substitute(line.text, names)) for line in session.ours() if line.kind != "comment"]
    assert "\n".join(map(str, found)) == "\n".join(map(str, expected)), session.title


class Replay:
    """One session of a vector, against our program."""

    def __init__(self, shell: Path, workspace: Workspace, session: Session, delivery: str) -> None:
        self._shell = shell
        self._workspace = workspace
        self._session = session
        self._delivery = delivery
        self._clients: dict[str, Client] = {}
        self._clock: int | None = None
        self._unsent = b""
        self._expected: list[Item] = []

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.__exit__()

    def run(self) -> None:
        code = 0
        last = ""
        for line in self._session.ours():
            if line.kind == "action":
                self._synchronise(last)
                self._workspace.act(line.text)
            elif line.kind == "exchange":
                if line.connection != last:
                    self._synchronise(last)
                    last = line.connection
                self._exchange(last, line.items)
            elif line.kind == "exit":
                code = int(line.text)
        self._synchronise(last)
        for name, client in self._clients.items():
            client.stdin.close()
            assert client.line() == "", f"unasked output: {self._session.title}"
            ended, errors = client.close()
            assert "Traceback" not in errors
            if name == "":
                assert ended == code, f"{self._session.title}: {errors}"

    def _client(self, name: str) -> Client:
        if name not in self._clients:
            session = self._session
            argv = self._workspace.argv(session.command)
            client = Client(self._shell, *argv, env=self._workspace.env(session), greeting=False)
            self._clients[name] = client
            if session.version is not None:
                self._exchange(name, self._greeting(session.version))
        return self._clients[name]

    def _greeting(self, version: int) -> list[Item]:
        return [
            Item("<", f"AUTH-SUCCESS {self._workspace.names['REPO']}"),
            Item(">", f"VERSION {version}"),
            Item("<", f"VERSION {version}"),
        ]

    def _exchange(self, name: str, items: Iterable[Item]) -> None:
        client = self._client(name)
        for item in items:
            if item.side == "<":
                self._expected.append(item)
                if self._delivery != PIPELINED:
                    self._synchronise(name)
                continue
            if "<T" in item.text or item.text in (EOF, KILL):
                self._synchronise(name, answers=item.text != EOF)
            if item.text == EOF:
                client.stdin.close()
            elif item.text == KILL:
                client.process.kill()
            else:
                self._send(client, self._bytes(item))

    def _bytes(self, item: Item) -> bytes:
        if is_payload(item.text):
            return payload(item.text)
        return unescape(substitute(item.text, self._workspace.names, self._clock)) + b"\n"

    def _send(self, client: Client, data: bytes) -> None:
        if self._delivery == PIPELINED:
            self._unsent += data
        elif self._delivery == WHOLE:
            self._write(client, [data])
        else:
            self._write(client, [data[position : position + 1] for position in range(len(data))])

    def _write(self, client: Client, pieces: list[bytes]) -> None:
        # A server that closes does not wait until we have sent all; whether it should have shows in what it answered.
        with suppress(BrokenPipeError):
            for piece in pieces:
                client.raw(piece)

    def _synchronise(self, name: str, answers: bool = True) -> None:
        """Sends what has gathered, and checks the answers that have to come then."""
        if name not in self._clients:
            return
        client = self._clients[name]
        if self._unsent:
            self._write(client, [self._unsent])
            self._unsent = b""
        if answers:
            expected, self._expected = self._expected, []
            found = list(self._answers(client, expected))
            assert found == [substitute(item.text, self._workspace.names) for item in expected], self._session.title

    def _answers(self, client: Client, expected: list[Item]) -> Iterator[str]:
        """What came, as it would be written in a vector."""
        for item in expected:
            if is_payload(item.text):
                yield show_payload(client.data(len(payload(item.text))))
            elif item.text == EOF:
                yield client.line() or EOF
            else:
                text = escape(os.fsencode(client.line()))
                if match := re.fullmatch(r"TIMESTAMP (\d+)", text):
                    self._clock, text = int(match[1]), "TIMESTAMP <T>"
                yield text
