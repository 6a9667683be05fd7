"""Forced commands: what a key in authorized_keys may do with git-annex-shell. Pure but for home directories."""

from __future__ import annotations

import os
import shlex

from annexshell.cli.context import allowed_directories
from annexshell.cli.words import split
from annexshell.errors import BadUsage
from annexshell.git.serving import BY_MODE
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE

PROGRAM = "git-annex-shell"
_VARIABLE = "GIT_ANNEX_SHELL_"
_MODES = {READ_ONLY: "READONLY", APPEND_ONLY: "APPENDONLY"}
# git-annex-shell hands pushes to git, so git has to be kept from doing by a push what the mode forbids.
_GIT_CONFIG = {
    mode: {name.decode(): value.decode() for name, value in settings.items()} for mode, settings in BY_MODE.items()
}
_HEEDING = (2, 31)  # the first git that reads settings from GIT_CONFIG_COUNT and its siblings
_ORIGINAL = ("$SSH_ORIGINAL_COMMAND", "${SSH_ORIGINAL_COMMAND}")


class KeyGrant:
    """What a key may do: `mode` as in model.access; `limited` if it may not use git itself; and the directories that it
    may use, empty for all. `protected` says whether git heeds the mode as well."""

    __slots__ = ("create", "directories", "limited", "mode", "program", "protected")

    def __init__(
        self, mode: str, limited: bool, directories: list[str], program: str, protected: bool = True, create: str = ""
    ) -> None:
        self.mode = mode
        self.limited = limited
        self.directories = directories
        self.program = program
        self.protected = protected
        self.create = create  # the directory below which it may make some; empty if there is none

    def command(self) -> str:
        """The command line for the account's login shell."""
        settings = {}
        if self.mode in _MODES:
            settings[_VARIABLE + _MODES[self.mode]] = "1"
        if self.limited:
            settings[_VARIABLE + "LIMITED"] = "1"
        if self.directories:
            settings[_VARIABLE + "DIRECTORY"] = ":".join(self.directories)
        if self.create:
            settings[_VARIABLE + "CREATE"] = self.create
        if not self.limited:
            settings |= _for_git(_GIT_CONFIG.get(self.mode, {}))
        words = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
        return " ".join([*words, shlex.quote(self.program), "-c", f'"{_ORIGINAL[0]}"'])


def _for_git(config: dict[str, str]) -> dict[str, str]:
    """Environment variables with settings for git. They win over the repository's own settings."""
    settings = {"GIT_CONFIG_COUNT": str(len(config))} if config else {}
    for number, (name, value) in enumerate(config.items()):
        settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return settings


def heeds_environment(version: str) -> bool:
    """Whether a version of git, such as 2.39.5, heeds the settings of a forced command; yes if nobody can tell."""
    numbers = [int(number) for number in version.split(".")[:2] if number.isdigit()]
    return len(numbers) < 2 or (*numbers,) >= _HEEDING


def check_expressible(directories: list[str]) -> None:
    """Raises BadUsage if a forced command can't name one of the directories."""
    for directory in directories:
        if any(c < " " or c == "\x7f" for c in directory):
            raise BadUsage(f"{directory!r} has control characters, which a line of authorized_keys can't hold")
        if ":" in directory and (len(directories) > 1 or ":/" in directory or ":~" in directory):
            raise BadUsage(f"{directory} has a colon in it, which separates directories; a symlink to it may help")


def parse_command(command: str) -> KeyGrant | None:
    """What a forced command grants; None unless it runs git-annex-shell with the client's command."""
    try:
        words = split(command)
    except BadUsage:
        return None
    settings, words = assignments(words)
    if (
        not words
        or os.path.basename(words[0]) != PROGRAM
        or words[-1] not in _ORIGINAL
        or words[1:-1] not in ([], ["-c"])
    ):
        return None
    mode = next((mode for mode, name in _MODES.items() if settings.get(_VARIABLE + name)), READ_WRITE)
    limited = bool(settings.get(_VARIABLE + "LIMITED"))
    value = settings.get(_VARIABLE + "DIRECTORY")
    directories = [] if value is None else [os.fsdecode(path) for path in allowed_directories(value)]
    wanted = _for_git(_GIT_CONFIG.get(mode, {}))
    protected = limited or all(settings.get(name) == text for name, text in wanted.items())
    return KeyGrant(mode, limited, directories, words[0], protected, settings.get(_VARIABLE + "CREATE", ""))


def assignments(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Splits words into the variables that are set before a program, and the words from the program on."""
    settings = {}
    rest = [word for word in words[:2] if word not in ("exec", "env")] + words[2:]
    while rest and "=" in rest[0] and rest[0].partition("=")[0].isidentifier():
        name, _, value = rest.pop(0).partition("=")
        settings[name] = value
    return settings, rest
