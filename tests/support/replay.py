"""Replays one session of a vector against a program, through real processes on pipes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.support.client import Client
from tests.support.vectors import (
    EOF,
    KILL,
    Item,
    Session,
    Workspace,
    escape,
    is_payload,
    payload,
    show_payload,
    substitute,
    unescape,
)

WHOLE, BYTEWISE, PIPELINED = "whole", "bytewise", "pipelined"  # how messages are delivered
_LONG = 100_000  # bytes that nobody delivers one by one


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
            Item("<", f"AUTH-SUCCESS {self._workspace.names[self._session.served]}"),
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
        elif self._delivery == WHOLE or len(data) > _LONG:
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
