"""annexshell init: makes a git repository a git-annex repository, without git-annex."""

from __future__ import annotations

import os

from annexshell.cli.admin.report import Action, say
from annexshell.cli.admin.target import OPTIONS, find, finish
from annexshell.repo.initialization.initialize import initialize
from annexshell.repo.initialization.smudging import take_away

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Makes a git repository a git-annex repository, or gives a git-annex repository another description.

Usage:
  annexshell init [options] [--] [<description>...]

{OPTIONS}
  --json              Print the result as JSON.

The description tells people which repository it is. Special remotes are not enabled; use git annex enableremote.
"""


def run(options: Options) -> int:
    """Does what `git annex init` does. A repository that has a uuid keeps it. If git-annex has been uninstalled, git's
    calls of it are turned off."""
    text = " ".join(options.texts("<description>"))
    quiet = options.flag("--quiet") or options.flag("--json")
    paths, git, config = find(options.given("--repo"), as_owner=True)
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


def _say_json(options: Options, success: bool) -> None:
    if options.flag("--json"):
        say('{"command":"init","error-messages":[],"input":[],"success":%s}' % ("true" if success else "false"))
