"""annexshell status: what is going on in repositories."""

from __future__ import annotations

import json
import time

from annexshell.cli.admin.progress import LINE
from annexshell.cli.admin.report import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = """Shows what is going on in repositories, whichever program does it: transfers with their rates, locks and who
holds them, the state of a gateway's nodes, and the sessions, servers and commands that are running.

Usage:
  annexshell status [options] [--] [<directory>...]

DIRECTORY is a repository, or has some below it. Without any, it is the current directory.

Options:
  --offline           Ask no nodes.
  --json              Print one line of JSON.
  -h --help           Show this.

Run it as the account that serves the repositories, or as root: only they can see what the processes hold.
"""

_PAUSE = 2.0  # seconds between two looks: the rate of a transfer takes two


def run(options: Options) -> int:
    """Looks twice and prints the second look."""
    from annexshell.cli.admin.watching.observer import Observer
    from annexshell.cli.admin.watching.text import lines

    observer = Observer(options.texts("<directory>"), options.flag("--offline"))
    observer.ask(LINE.show)
    look = observer.look()
    if any(repository["transfers"] for repository in look["repositories"]):
        time.sleep(_PAUSE)
        look = observer.look()
    if options.flag("--json"):
        say(json.dumps({"command": "status", "success": True, **look}))
        return 0
    for line in lines(look):
        say(line)
    return 0
