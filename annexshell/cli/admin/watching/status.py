"""annexshell status: what is going on in repositories."""

from __future__ import annotations

import json
import time

from annexshell.cli.admin.progress import LINE
from annexshell.cli.admin.report import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = """Shows what is going on in repositories, whichever program does it: transfers with their rates, locks and who
holds them, how the nodes of a gateway are, and the sessions, servers and commands that are running.

Usage:
  annexshell status [options] [--] [<directory>...]

A directory is a repository, or holds some; without one it is the current directory.

Options:
  --offline           Ask no nodes.
  --json              Print one line of JSON.
  -h --help           Show this.

Run it as the account that serves the repositories, or as root: what processes of other accounts hold can't be seen.
"""

_PAUSE = 2.0  # seconds between two looks, which are needed to know how fast transfers are


def run(options: dict[str, Any]) -> int:
    """Changes nothing."""
    from annexshell.cli.admin.watching.observer import Observer
    from annexshell.cli.admin.watching.text import lines

    observer = Observer(options["<directory>"], options["--offline"])
    observer.ask(LINE.show)
    look = observer.look()
    if any(repository["transfers"] for repository in look["repositories"]):
        time.sleep(_PAUSE)
        look = observer.look()
    if options["--json"]:
        say(json.dumps({"command": "status", "success": True, **look}))
        return 0
    for line in lines(look):
        say(line)
    return 0
