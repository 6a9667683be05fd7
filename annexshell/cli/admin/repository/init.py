"""annexshell init: makes a git repository one of git-annex, without git-annex."""

from __future__ import annotations

import os

from annexshell.cli.admin.report import Action, say
from annexshell.cli.admin.target import OPTIONS, find, finish
from annexshell.repo.initialization.initialize import initialize
from annexshell.repo.initialization.smudging import take_away

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = f"""Makes a git repository one of git-annex, or gives one that is another description.

Usage:
  annexshell init [options] [--] [<description>...]

{OPTIONS}
  --json              Print the result as JSON.

A description says to people which repository that is. Special remotes are not enabled: git-annex does that.
"""


def run(options: dict[str, Any]) -> int:
    """As `git annex init`. The uuid of a repository that has one stays. Where git-annex is not there any more, git is
    told to do without it."""
    text = " ".join(options["<description>"])
    quiet = options["--quiet"] or options["--json"]
    paths, git, config = find(options, as_owner=True)
    try:
        with Action("init", text, quiet) as action:
            parts = initialize(paths, git, config, os.fsencode(text) or None, action.warn)
            take_away(paths, git, config, action.warn)
    except BaseException:
        _say_json(options, False)
        raise
    finish(parts, not quiet)
    _say_json(options, True)
    return 0


def _say_json(options: dict[str, Any], success: bool) -> None:
    if options["--json"]:
        say('{"command":"init","error-messages":[],"input":[],"success":%s}' % ("true" if success else "false"))
