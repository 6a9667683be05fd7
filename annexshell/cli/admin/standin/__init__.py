"""git-annex where none is installed: annexshell under that name, such as that of a symlink, answers what other programs
ask of git-annex on a server. DataLad asks `version` and `init` before it makes a sibling; forges ask `p2phttp`,
`lookupkey` and `contentlocation`."""

from __future__ import annotations

import os
import sys

from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "git-annex"
_VERBS = ("init", "p2phttp")  # these are verbs of ours, with the same options and output


def give_way(words: list[str]) -> None:
    """Becomes the git-annex that comes after us on PATH, if somebody has installed one: it is never shadowed. Raises
    OSError."""
    from annexshell.repo.initialization.installed import installed

    path = installed(os.environb, after=os.fsencode(os.path.dirname(sys.argv[0])))
    if path is not None:
        os.execv(path, [NAME, *words])


def as_verb(words: list[str]) -> list[str] | None:
    """The command line of annexshell that does the same as one of git-annex; None if no verb does.
    Goes to the directory that git was told. Raises OSError."""
    if not words or words[0] not in _VERBS:
        return None
    if "GIT_DIR" in os.environ:  # verbs of ours go by the current directory
        os.chdir(os.environ["GIT_DIR"])
    return [word for word in words if word != "--no-autoenable"]  # init never enables special remotes


def answer(words: list[str]) -> int:
    """Answers a command that is no verb; returns the exit code. Raises AnnexshellError."""
    command = words[0] if words else ""
    run = _commands().get(command)
    if command in ("--help", "-h"):
        print(f"{NAME} is a link to annexshell here and answers: {', '.join(names())}")
        return 0
    if run is None:
        raise BadUsage(
            f"this is annexshell, which answers only {', '.join(names())}; install git-annex for everything else"
        )
    return run(words[1:])


def names() -> list[str]:
    """The commands that are answered."""
    return sorted([*_VERBS, *_commands()])


def _commands() -> dict[str, Callable[[list[str]], int]]:
    from annexshell.cli.admin.standin.lookup import contentlocation, lookupkey
    from annexshell.cli.admin.standin.version import version

    return {"version": version, "lookupkey": lookupkey, "contentlocation": contentlocation}
