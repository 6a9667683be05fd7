"""Adds a repository to the file of p2phttp's --access."""

from __future__ import annotations

import os

from annexshell.cli.admin.access.settingfile import change, read
from annexshell.errors import BadUsage
from annexshell.serve.http.access.rules import parse_rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PUBLIC = b"read lock git"
_ALL = b"full"


def section(path: bytes, public: bool, users: Sequence[str]) -> bytes:
    """The lines for a repository. Each of `users` is a name, or NAME=RIGHTS with commas in them. Raises BadUsage."""
    if any(byte in path for byte in b"*]\n"):
        raise BadUsage("a repository of that name can't stand in the file of --access")
    lines = [b"[%b]" % path]
    if public:
        lines.append(b"anonymous = " + _PUBLIC)
    for user in users:
        name, _, rights = os.fsencode(user).partition(b"=")
        lines.append(b"%b = %b" % (name, rights.replace(b",", b" ") or _ALL))
    text = b"\n".join(lines) + b"\n"
    try:
        parse_rules(text)
    except BadUsage as error:
        raise BadUsage(f"--user can't be understood: {error}") from None
    return text


def check(file: str, path: bytes) -> None:
    """Raises BadUsage if the file makes no sense, or has something about the repository already."""
    data = read(file)
    if data.strip():
        try:
            parse_rules(data)
        except BadUsage as error:
            raise BadUsage(f"{file}: {error}") from None
    if b"[%b]" % path in (line.strip() for line in data.splitlines()):
        raise BadUsage(f"{file} says already who may use {os.fsdecode(path)}")


def add(file: str, text: bytes) -> None:
    """Puts a section before all others, since the first that fits counts. Groups come before that."""

    def added(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        first = next((number for number, line in enumerate(lines) if line.lstrip().startswith(b"[")), len(lines))
        if lines and not lines[-1].endswith(b"\n"):
            lines[-1] += b"\n"
        return b"".join([*lines[:first], text, b"\n" if lines[first:] else b"", *lines[first:]])

    change(file, added)
