"""Whether the lines of authorized_keys do what they are meant to. Pure."""

from __future__ import annotations

import os
from shlex import join

from annexshell.cli.admin.access.forced import PROGRAM, assignments, parse_command
from annexshell.cli.admin.access.sshkeys import parse_line
from annexshell.cli.admin.watching.doctor.finding import ERROR, OK, WARNING, Finding
from annexshell.cli.words import split
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from annexshell.cli.admin.access.forced import KeyGrant
    from annexshell.cli.admin.access.sshkeys import KeyEntry

_QUOTED = ('"$SSH_ORIGINAL_COMMAND"', '"${SSH_ORIGINAL_COMMAND}"')
_MEND = "; annexshell authorized-keys writes such lines"


def check_keys(
    lines: list[str], trouble: Callable[[str], str], is_directory: Callable[[str], bool]
) -> Iterator[Finding]:
    """Judges the lines for git-annex-shell. `trouble` returns why a forced command can't start a program, empty if it
    can."""
    first: dict[str, int] = {}
    good = 0
    for number, line in enumerate(lines, 1):
        try:
            entry = parse_line(line)
        except BadUsage as error:
            if PROGRAM in line:
                yield _finding(number, ERROR, f"sshd ignores it: {error}{_MEND}")
            continue
        if entry is None:
            continue
        before = first.setdefault(entry.key.blob, number)
        command = entry.option("command") or ""
        if PROGRAM not in command:
            continue
        found = [*_check_entry(entry, command, trouble, is_directory)]
        if before != number:
            text = f"sshd never gets to it, since line {before} is for the same key; remove one of them"
            found.append((WARNING, text))
        good += not found
        yield from (_finding(number, status, text) for status, text in found)
    yield Finding("authorized-keys", OK, f"{good} lines for {PROGRAM} without problems")


def rest_on_environment(lines: list[str]) -> list[int]:
    """The numbers of the lines whose restrictions git has to read from its environment, for check_git."""
    return [number for number, line in enumerate(lines, 1) if PROGRAM in line and "GIT_CONFIG_COUNT=" in line]


def _finding(number: int, status: str, text: str) -> Finding:
    return Finding("authorized-keys", status, f"line {number}: {text}")


def _check_entry(
    entry: KeyEntry, command: str, trouble: Callable[[str], str], is_directory: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    grant = parse_command(command)
    if grant is None:
        yield ERROR, _misunderstood(command) + _MEND
        return
    if not any(quoted in command for quoted in _QUOTED):
        yield ERROR, f'$SSH_ORIGINAL_COMMAND has to stand in \\"double quotes\\", or clients ask in vain{_MEND}'
    if trouble(grant.program):
        yield ERROR, trouble(grant.program)
    yield from _check_extent(entry, grant, is_directory)


def _misunderstood(command: str) -> str:
    """What is wrong with a command that names git-annex-shell but does not run it with the client's command."""
    if "SSH_ORIGINAL_COMMAND" not in command:
        return f'{PROGRAM} is not told what clients ask; it needs -c \\"$SSH_ORIGINAL_COMMAND\\"'
    try:
        _, words = assignments(split(command))
    except BadUsage:
        return "a quote in its command is not closed"
    if not words or os.path.basename(words[0]) != PROGRAM:
        return f"the command runs {words[0] if words else 'nothing'} and not {PROGRAM}; quote what has blanks in it"
    return f"{PROGRAM} needs nothing but -c and what clients ask"


def _check_extent(entry: KeyEntry, grant: KeyGrant, is_directory: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    if not (entry.has("restrict") or entry.has("no-port-forwarding")):
        yield WARNING, "the key may forward ports into your network; add: restrict"
    if not grant.protected:
        text = f"it is {grant.mode}, but git push is not kept to that; set GIT_ANNEX_SHELL_LIMITED=1 too, or use:"
        named = [f"--directory={directory}" for directory in grant.directories]
        words = ["annexshell", "authorized-keys", "--install", f"--{grant.mode}", *named, entry.key.text()]
        yield WARNING, f"{text} {join(words)}"
    for directory in grant.directories:
        if not (is_directory(directory) or is_directory(directory + ".git")):
            text = f"its directory {directory} is not there; create it, or correct the name"
            yield WARNING, text + (", and begin each directory of a list with / or ~" if ":" in directory else "")
