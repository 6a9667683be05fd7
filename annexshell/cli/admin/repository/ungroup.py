"""annexshell ungroup: takes a repository out of a group."""

from __future__ import annotations

from annexshell.admin.preferences import Preferences
from annexshell.cli.admin.report import Action
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Takes a repository out of a group.

Usage:
  annexshell ungroup [options] [--] <repository> <group>

{OPTIONS}
"""


def run(options: Options) -> int:
    """Takes the repository out of the group. It is no error if it was not in it."""
    name = options.text("<repository>")
    with opened(options) as parts:
        preferences = Preferences(parts)
        uuid = preferences.uuid_of(name)
        with Action("ungroup", name, options.flag("--quiet")):
            preferences.leave(uuid, options.text("<group>"))
    return 0
