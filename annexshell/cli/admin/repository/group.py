"""annexshell group: adds a repository to a group, or lists groups."""

from __future__ import annotations

from annexshell.admin.preferences import Preferences
from annexshell.cli.admin.report import Action, say
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Adds a repository to a group, or lists the groups that it is in.

Usage:
  annexshell group [options] [--] <repository> [<group>]
  annexshell group [options] --list

{OPTIONS}
  --list              List all groups.

Groups can have any name. The expression "standard" knows these: archive, backup, client, incrementalbackup, manual,
public, smallarchive, source, transfer, unwanted.
"""


def run(options: Options) -> int:
    """Adds to a group, or prints groups if none is given."""
    group = options.given("<group>")
    with opened(options) as parts:
        preferences = Preferences(parts)
        if options.flag("--list"):
            say(" ".join(preferences.all_groups()))
            return 0
        name = options.text("<repository>")
        uuid = preferences.uuid_of(name)
        if group is None:
            say(" ".join(preferences.groups(uuid)))
            return 0
        with Action("group", name, options.flag("--quiet")):
            preferences.join(uuid, group)
    return 0
