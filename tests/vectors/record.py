"""Records the vectors anew from a real git-annex-shell.

    python -m tests.vectors.record [--check] PROGRAM [FILE...]

PROGRAM is a git-annex-shell that has git-annex beside it. The requests in each vector file are sent to it, and its
answers, its standard error and its exit code replace those in the file; what the file says about ourselves stays. With
--check nothing is written, and files that would change are named. A new vector is written with `< ?` wherever the
answer is to be waited for.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.support.client import Client
from tests.support.fakenodes import FakeGateway
from tests.support.gatewayvectors import GatewayWorkspace, make_gateway_template
from tests.support.real import run
from tests.support.vectors import (
    EOF,
    KILL,
    Item,
    Line,
    Session,
    Vector,
    Workspace,
    escape,
    is_payload,
    make_template,
    payload,
    read_vector,
    show_payload,
    substitute,
    unescape,
)

DIRECTORY = Path(__file__).resolve().parent
QUIET = 1.0  # seconds without output after which a program is taken to wait for the next request
_CONFIG = "[user]\n\tname = Test\n\temail = test@example.com\n[annex]\n\tsshcaching = false\n"
_DEAD = 20.0  # seconds in which a program has to end once its input has ended


class Recorder:
    """Runs one session of a vector and rewrites its lines."""

    def __init__(self, program: Path, workspace: Workspace, session: Session) -> None:
        self._program = program
        self._workspace = workspace
        self._session = session
        self._clients: dict[str, Client] = {}
        self._clock: int | None = None

    def run(self) -> None:
        session = self._session
        if not session.is_protocol:
            done = subprocess.run(
                [self._program, *self._workspace.argv(session.command)],
                env={**os.environ, **self._workspace.env(session)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
            )
            self._rewrite("stdout", self._shown(done.stdout))
            self._finish(done.stderr, done.returncode)
            return
        for line in session.lines:
            if line.kind == "action":
                self._workspace.act(line.text)
            elif line.kind == "exchange":
                line.text = self._exchange(line)
        code, errors = 0, b""
        for name, client in self._clients.items():
            ended = self._end(client)
            if name == "":
                code, errors = ended
        for kind, texts in self._workspace.seen(session).items():
            self._rewrite(kind, [self._named(text) for text in texts])
        self._finish(errors, code)

    def _client(self, name: str) -> Client:
        if name not in self._clients:
            argv = self._workspace.argv(self._session.command)
            client = Client(self._program, *argv, env=self._workspace.env(self._session), greeting=False)
            self._clients[name] = client
            if self._session.version is not None:
                client.send(f"VERSION {self._session.version}")
                uuid = self._workspace.names[self._session.served]
                expected = f"AUTH-SUCCESS {uuid}\nVERSION {self._session.version}\n".encode()
                assert client.data(len(expected)) == expected
        return self._clients[name]

    def _exchange(self, line: Line) -> str:
        """The line as it really went."""
        client = self._client(line.connection)
        items: list[Item] = []
        asked = line.items
        for number, item in enumerate(asked):
            if item.side == "<":
                continue
            items.append(item)
            self._send(client, item)
            if number + 1 == len(asked) or asked[number + 1].side == "<":
                items += self._answers(client)
                if items[-1:] == [Item("<", EOF)] and item.text != EOF:
                    break  # what comes after that in the line finds nobody
        if asked[0].side == "<":
            items = self._answers(client) + items
        prefix = f"[{line.connection}] " if line.connection else ""
        return prefix + "  ".join(map(str, items))

    def _send(self, client: Client, item: Item) -> None:
        if item.text == EOF:
            client.stdin.close()
        elif item.text == KILL:
            client.process.kill()
        else:
            data = payload(item.text) if is_payload(item.text) else self._message(item)
            with suppress(BrokenPipeError):  # it may have died
                client.raw(data)

    def _message(self, item: Item) -> bytes:
        return unescape(substitute(item.text, self._workspace.names, self._clock)) + b"\n"

    def _answers(self, client: Client) -> list[Item]:
        output, ended = b"", False
        while not ended and select.select([client.stdout], [], [], QUIET)[0]:
            data = os.read(client.stdout.fileno(), 1 << 20)
            output += data
            ended = not data
        items: list[Item] = []
        while output:
            line, _, output = output.partition(b"\n")
            items.append(Item("<", self._masked(line)))
            if match := re.fullmatch(rb"DATA (\d+)", line):
                data, output = output[: int(match[1])], output[int(match[1]) :]
                items += [Item("<", show_payload(data))] * bool(data)
        return items + [Item("<", EOF)] * ended

    def _masked(self, line: bytes) -> str:
        if match := re.fullmatch(rb"TIMESTAMP (\d+)", line):
            self._clock = int(match[1])
            return "TIMESTAMP <T>"
        return self._named(escape(line))

    def _named(self, text: str) -> str:
        for name, value in self._workspace.names.items():
            text = text.replace(value, name if name.startswith("K") else f"<{name}>")
        hidden = {os.uname().nodename: "<HOST>", os.environ["PATH"]: "<PATH>", f"{self._workspace.directory}/": ""}
        for value, name in hidden.items():
            text = text.replace(value, name)
        return text

    def _shown(self, output: bytes) -> list[str]:
        return [self._named(escape(line)) for line in output.split(b"\n") if line]

    def _end(self, client: Client) -> tuple[int, bytes]:
        client.stdin.close()
        client.process.stdin = None  # communicate() would flush it
        try:
            output, errors = client.process.communicate(timeout=_DEAD)
        except subprocess.TimeoutExpired:
            client.process.kill()
            output, errors = client.process.communicate()
        if output:
            raise ValueError(f"{self._session.title}: unasked output at the end: {output!r}; add `> {EOF}`")
        client.__exit__()
        return client.process.returncode, errors

    def _finish(self, errors: bytes, code: int) -> None:
        self._rewrite("stderr", self._shown(errors))
        self._rewrite("exit", [str(code)] * (code != 0))

    def _rewrite(self, kind: str, texts: list[str]) -> None:
        """Replaces the lines of a kind at the end of the session, and keeps what they say about ourselves."""
        lines = self._session.lines
        old = [line for line in lines if line.kind == kind]
        trailing = []
        while lines and lines[-1].kind == "comment" and not lines[-1].text:
            trailing.append(lines.pop())
        if kind == "exit" and not texts and any(line.why for line in old):
            texts = ["0"]
        new = [Line(kind, text) for text in texts]
        for before, after in zip(old, new):
            after.ours, after.why = before.ours, before.why
        lines[:] = [line for line in lines if line.kind != kind] + new + trailing


def record(program: Path, template: Path, gateway: FakeGateway, path: Path) -> Vector:
    """The vector in a file, as the program does it."""
    vector = read_vector(path)
    with tempfile.TemporaryDirectory() as directory:
        if path.parent.name == "gateway":
            for number, session in enumerate(vector.sessions):
                Recorder(program, GatewayWorkspace(Path(directory) / str(number), vector, gateway), session).run()
        else:
            workspace = Workspace(Path(directory) / "work", vector, template)
            for session in vector.sessions:
                Recorder(program, workspace, session).run()
        run("chmod", "-R", "u+w", directory)
    return vector


def main(arguments: list[str]) -> int:
    check = arguments[:1] == ["--check"]
    program, *files = map(Path, arguments[check:])
    paths = files or sorted(DIRECTORY.glob("*/*.vector"))
    for name in list(os.environ):
        if name.startswith(("GIT_", "SSH_", "ANNEX")):
            del os.environ[name]
    changed = 0
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(HOME=home, PATH=f"{program.parent}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
        (Path(home) / ".gitconfig").write_text(
            "[user]\n\tname = Test\n\temail = test@example.com\n[annex]\n\tsshcaching = false\n"
        )
        template = make_template(Path(home) / "template")
        gateway = make_gateway_template(Path(home) / "gateway")
        with ThreadPoolExecutor(8) as pool:
            recording: Callable[[Path], Vector] = lambda path: record(program, template, gateway, path)  # noqa: E731
            for path, vector in zip(paths, pool.map(recording, paths)):
                if str(vector) != path.read_text():
                    changed += 1
                    print(path.name, "would change" if check else "changed")
                    if not check:
                        path.write_text(str(vector))
        run("chmod", "-R", "u+w", home)
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
