"""Splitting a command into words as a shell would, and quoting words for a shell. No shell is ever run.

shlex would do, but costs every session some milliseconds.
"""

from __future__ import annotations

import os

from annexshell.disk.spawn import shell_quoted
from annexshell.errors import BadUsage

_BLANKS = " \t\n"


def split(command: str) -> list[str]:
    """The words of a command. Blanks, quotes and backslashes mean what they mean to a POSIX shell; all else is text.
    Raises BadUsage for a quote that is never closed."""
    words: list[str] = []
    word: list[str] | None = None
    position = 0
    while position < len(command):
        character = command[position]
        if character in _BLANKS:
            if word is not None:
                words.append("".join(word))
            word = None
            position += 1
            continue
        word = [] if word is None else word
        text, position = _piece(command, position)
        word.append(text)
    if word is not None:
        words.append("".join(word))
    return words


def _piece(command: str, position: int) -> tuple[str, int]:
    """Reads one character, escape or quoted string at `position`: its text, and the position behind it."""
    character = command[position]
    if character == "\\":
        escaped = command[position + 1 : position + 2]
        return "" if escaped == "\n" else escaped, position + 2
    if character not in "'\"":
        return character, position + 1
    end = command.find(character, position + 1)
    if character == "'" and end >= 0:
        return command[position + 1 : end], end + 1
    text: list[str] = []
    position += 1
    while character == '"' and position < len(command):
        if command[position] == '"':
            return "".join(text), position + 1
        if command[position] == "\\" and command[position + 1 : position + 2] in ("\\", '"', "$", "`"):
            position += 1
        text.append(command[position])
        position += 1
    raise BadUsage("bad parameters: a quote is not closed")


def quote(word: str) -> str:
    """A word, quoted so that a shell or git-shell reads it as one argument."""
    return os.fsdecode(shell_quoted(os.fsencode(word)))
