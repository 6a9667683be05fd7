"""annexshell create: makes a repository to be served, and grants rights to it."""

from __future__ import annotations

import os

from annexshell.cli.admin.access import rulesfile
from annexshell.cli.admin.owner import become_owner
from annexshell.cli.admin.report import say, warn
from annexshell.cli.context import child_environment
from annexshell.errors import BadUsage
from annexshell.git.paths import GitPaths
from annexshell.repo.initialization.creating import create

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

FILE = "/etc/annexshell/access"
USAGE = f"""Makes a bare repository for git and git-annex, and grants rights to it over HTTP.

Usage:
  annexshell create [options] [--user=NAME]... [--] <path>

PATH gets .git at its end if it has none. If root does this, the repository belongs to the owner of the directory.

Options:
  --description=TEXT  A description for people; the name if not given.
  --public            Let anybody clone it and download its files.
  --user=NAME         Let this user do everything in it or, with NAME=RIGHTS such as bob=read,git, only that. Can be
                      repeated.
  --access=FILE       Write these rights to this file, that of p2phttp's option --access [default: {FILE}].
  -q --quiet          Print only warnings.
  -h --help           Show this.
"""


def run(options: Options) -> int:
    """The rules come first, and as root, who may be the only one that can write them."""
    given = os.path.abspath(os.fsencode(options.text("<path>"))).removesuffix(b".git")
    path = given + b".git"
    top, _, name = path.rpartition(b"/")
    if not os.path.isdir(top):
        raise BadUsage(f"{os.fsdecode(top)} is not a directory")
    if os.path.lexists(path) or os.path.lexists(given):
        raise BadUsage(f"{os.fsdecode(path if os.path.lexists(path) else given)} is there already")
    users = options.texts("--user")
    if options.flag("--public") or users:
        text = rulesfile.section(path, options.flag("--public"), users)
        rulesfile.check(options.text("--access"), path)
        rulesfile.add(options.text("--access"), text)
    become_owner(GitPaths(top, top, None))
    description = options.given("--description")
    create(top, [name], b"", None if description is None else os.fsencode(description), child_environment(), warn)
    if not options.flag("--quiet"):
        say(f"created: {os.fsdecode(path)}")
    return 0
