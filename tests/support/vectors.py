"""Vectors: conversations recorded from the real git-annex-shell, as readable text. tests/vectors/README explains the
format; this module reads it, writes it, and sets up the repository that a vector starts from.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from annexshell.model.key import Key, parse_key
from annexshell.store.layout import Layout
from tests.support.client import sha256_key
from tests.support.real import run

CLIENT_UUID = "11111111-1111-4111-8111-111111111111"

_ITEM = re.compile(r"(?:^|  )([<>]) (.*?)(?=  [<>] |$)")
_NODE = re.compile(r"f[a-z]: [<>] .*")
_EXCHANGE = re.compile(r"(?:\[([a-z]+)\] )?([<>] .*)")
_DATA = re.compile(r"\[(\d+) bytes\](?: (.*))?")
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[nrt\\])")
_KEY = re.compile(r"key (K\d) (present|absent) (.*)")
_KEY_NAME = re.compile(r"(?:\b|(?<=\\[nrt])|(?<=\\x[0-9a-f]{2}))K\d\b")
_MAIN = ""
_BARE = ("exchange", "action", "comment", "node")  # kinds of lines that need no name

EOF, KILL, SOMETHING = "(EOF)", "(KILL)", "?"


@dataclass
class Item:
    """One message, or one piece of payload, in the direction of `side`."""

    side: str
    text: str

    def __str__(self) -> str:
        return f"{self.side} {self.text}"


@dataclass
class Line:
    """One line of a session; `kind` is exchange, action, comment, node, log, stdout, stderr or exit.

    `ours` are the lines that our implementation is to be held to instead, and `why` is the reason.
    """

    kind: str
    text: str
    ours: list[Line] = field(default_factory=list)
    why: str = ""

    @property
    def connection(self) -> str:
        match = _EXCHANGE.fullmatch(self.text)
        return (match and match[1]) or _MAIN

    @property
    def items(self) -> list[Item]:
        match = _EXCHANGE.fullmatch(self.text)
        assert match is not None, self.text
        return [Item(m[1], m[2]) for m in _ITEM.finditer(match[2])]

    def __str__(self) -> str:
        shown = self.text if self.kind in _BARE else f"{self.kind}: {self.text}"
        rest = [f"ours: {line}" for line in self.ours] or ["ours: (nothing)"] * bool(self.why)
        return "\n".join([shown, *rest, *[f"why: {self.why}"] * bool(self.why)])


@dataclass
class Session:
    """One run of git-annex-shell. `version` is negotiated first, unless it is None."""

    title: str
    env: dict[str, str]
    command: str
    version: int | None
    lines: list[Line]

    @property
    def is_protocol(self) -> bool:
        return self.command.startswith("p2pstdio ") and any(line.kind == "exchange" for line in self.lines)

    @property
    def served(self) -> str:
        """The name of the repository that the client asks for."""
        match = re.search(r"--uuid <([A-Z]+)>", self.command)
        return match[1] if match else "REPO"

    def recorded(self) -> Iterator[Line]:
        """What the real program is known to do."""
        return iter(self.lines)

    def ours(self) -> Iterator[Line]:
        """What our program is held to."""
        for line in self.lines:
            if line.why:
                yield from line.ours
            else:
                yield line

    def __str__(self) -> str:
        env = "".join(f"{name}={value} " for name, value in self.env.items())
        version = "" if self.version is None else f" @{self.version}"
        return "\n".join([f"=== {self.title}  -- {env}{self.command}{version}", *map(str, self.lines)])


@dataclass
class Vector:
    """The sessions of one file, which run one after the other on one repository."""

    path: Path
    head: list[str]
    contents: dict[str, bytes]
    present: set[str]
    config: list[tuple[str, str]]
    sessions: list[Session]

    @property
    def names(self) -> dict[str, str]:
        return {name: sha256_key(content) for name, content in self.contents.items()}

    def __str__(self) -> str:
        return "\n".join([*self.head, *map(str, self.sessions)]) + "\n"


def read_vectors(directory: Path) -> list[Vector]:
    return [read_vector(path) for path in sorted(directory.glob("*.vector"))]


def read_vector(path: Path) -> Vector:
    vector = Vector(path, [], {}, set(), [], [])
    for number, text in enumerate(path.read_text().split("\n")[:-1], 1):
        try:
            if text.startswith("=== "):
                vector.sessions.append(_session(text))
            elif vector.sessions:
                _add(vector.sessions[-1].lines, text)
            else:
                _head(vector, text)
        except (AssertionError, ValueError, IndexError) as error:
            raise ValueError(f"{path.name}, line {number}: {text!r} is not understood ({error})") from None
    return vector


def _head(vector: Vector, text: str) -> None:
    vector.head.append(text)
    if match := _KEY.fullmatch(text):
        vector.contents[match[1]] = payload(match[3])
        if match[2] == "present":
            vector.present.add(match[1])
    elif text.startswith("config "):
        name, _, value = text[len("config ") :].partition("=")
        vector.config.append((name, value))
    else:
        assert not text or text.startswith("#"), "neither a comment, a key nor a setting"


def _session(text: str) -> Session:
    title, _, command = text[len("=== ") :].partition("  -- ")
    assert command, "a session without a command"
    env = {}
    while match := re.match(r"([A-Z_]+)=(\S*) ", command):
        env[match[1]] = match[2]
        command = command[match.end() :]
    command, at, version = command.partition(" @")
    return Session(title, env, command, int(version) if at else None, [])


def _add(lines: list[Line], text: str) -> None:
    if text.startswith("ours: "):
        if text != "ours: (nothing)":
            lines[-1].ours.append(_line(text[len("ours: ") :]))
    elif text.startswith("why: "):
        lines[-1].why = text[len("why: ") :]
    else:
        assert not lines or bool(lines[-1].ours) <= bool(lines[-1].why), "a difference without a reason"
        lines.append(_line(text))


def _line(text: str) -> Line:
    for kind in ("stdout", "stderr", "exit", "log"):
        if text.startswith(kind + ": "):
            return Line(kind, text[len(kind) + 2 :])
    if _NODE.fullmatch(text):
        return Line("node", text)
    if _EXCHANGE.fullmatch(text):
        return Line("exchange", text)
    if text.startswith("! "):
        return Line("action", text)
    assert not text or text.startswith("#"), "no such kind of line"
    return Line("comment", text)


def unescape(text: str) -> bytes:
    """The bytes that a text stands for: `\\n`, `\\xff` and the like; `a{5}` is `aaaaa`."""

    def byte(match: re.Match[str]) -> str:
        short = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
        return short.get(match[1]) or bytes([int(match[1][1:], 16)]).decode("utf-8", "surrogateescape")

    repeated = re.sub(r"(.)\{(\d+)\}", lambda match: match[1] * int(match[2]), text)
    return _ESCAPE.sub(byte, repeated).encode("utf-8", "surrogateescape")


def escape(data: bytes) -> str:
    """The inverse of `unescape`, for one message: a blank at its end is escaped too, as is a run of two before `<`."""
    short = {9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\"}
    text = "".join(short.get(c) or (chr(c) if 32 <= c < 127 else f"\\x{c:02x}") for c in data)
    text = re.sub(r"  (?=[<>] )", r" \\x20", text)
    text = re.sub(r"(?<=.)(?=\{\d+\})", r"\\x7b", text)
    return text[:-1] + "\\x20" if text.endswith(" ") else text


def payload(text: str) -> bytes:
    """The bytes of `[12 bytes] hello world\\n`. A text that ends in `...` is repeated until it is long enough."""
    match = _DATA.fullmatch(text)
    assert match is not None, "not a payload"
    count, shown = int(match[1]), match[2] or ""
    if not shown.endswith("..."):
        data = unescape(shown)
        assert len(data) == count, f"{len(data)} bytes are announced as {count}"
        return data
    pattern = unescape(shown[:-3])
    return (pattern * (count // len(pattern) + 1))[:count]


def show_payload(data: bytes) -> str:
    """The inverse of `payload`, as short as possible."""
    if len(data) > 80:
        for length in range(1, 21):
            if (data[:length] * (len(data) // length + 1))[: len(data)] == data:
                return f"[{len(data)} bytes] {escape(data[:length])}..."
    return f"[{len(data)} bytes] {escape(data)}"


def is_payload(text: str) -> bool:
    return _DATA.fullmatch(text) is not None


def substitute(text: str, names: dict[str, str], clock: int | None = None) -> str:
    """Puts keys and uuids in the place of their names, and times in the place of `<T+60>`."""
    text = _KEY_NAME.sub(lambda match: names.get(match[0], match[0]), text)
    text = re.sub(r"<([A-Z]+)>", lambda match: names.get(match[1], match[0]), text)
    if clock is not None:
        text = re.sub(r"<T(\+\d+)?>", lambda match: str(clock + int(match[1] or 0)), text)
    return text


class Workspace:
    """Where the sessions of a vector run: `direct` is an initialised repository, `plain` one that has no annex, and
    `gcrypt` one as git-remote-gcrypt makes it. It is also the home directory, so that these names are enough."""

    def __init__(self, directory: Path, vector: Vector, template: Path) -> None:
        self.directory = directory
        shutil.copytree(template, directory, symlinks=True)
        self.names = {**vector.names, "REPO": _config(directory / "direct", "annex.uuid"), "CLIENT": CLIENT_UUID}
        self._contents = vector.contents
        for name in sorted(vector.present):
            self.store(name)
        for name, value in vector.config:
            run("git", "config", name, value, cwd=directory / "direct")

    def env(self, session: Session) -> dict[str, str]:
        return {"HOME": str(self.directory), **session.env}

    def argv(self, command: str) -> list[str]:
        return [CLIENT_UUID if word == "CLIENT" else substitute(word, self.names) for word in shlex.split(command)]

    def act(self, text: str) -> None:
        """An action on the repository: `! store K1`, `! partial K1 [5 bytes] first`."""
        verb, name, *rest = text[2:].split(" ", 2)
        if verb == "store":
            self.store(name)
        else:
            assert verb == "partial", text
            path = self._annex_dir / "tmp" / self._key(name).file_name.decode()
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(payload(rest[0]))

    def seen(self, session: Session) -> dict[str, list[str]]:
        """What else there is to be seen of a session when it has ended: lines by their kind."""
        return {}

    def store(self, name: str) -> None:
        """Puts the content of a key into its place, as something other than the session would."""
        layout = Layout(str(self._annex_dir).encode(), bare=False)
        path = Path(layout.object_candidates(self._key(name))[0].decode())
        path.parent.mkdir(parents=True)
        path.write_bytes(self._contents[name])
        path.chmod(0o444)
        path.parent.chmod(0o555)

    def _key(self, name: str) -> Key:
        return parse_key(self.names[name].encode())

    @property
    def _annex_dir(self) -> Path:
        return self.directory / "direct/.git/annex"


def make_template(directory: Path) -> Path:
    """The workspace that every vector gets a copy of."""
    directory.mkdir()
    shutil.copy(Path.home() / ".gitconfig", directory)
    run("git", "init", "-q", directory / "direct")
    run("git", "annex", "init", "-q", "direct", cwd=directory / "direct")
    run("git", "init", "-q", directory / "plain")
    run("git", "init", "-q", "--bare", directory / "gcrypt")
    run("git", "config", "core.gcrypt-id", "abc", cwd=directory / "gcrypt")
    return directory


def _config(directory: Path, name: str) -> str:
    return run("git", "config", name, cwd=directory).strip()
