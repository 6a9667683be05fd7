"""annexshell groupwanted: gets or sets what content the repositories of a group want."""

from __future__ import annotations

from annexshell.admin.preferences import Preferences
from annexshell.cli.admin.report import Action, say
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Gets or sets the expression that "groupwanted" stands for in a group.

Usage:
  annexshell groupwanted [options] [--] <group> [<expression>]

{OPTIONS}

A repository of the group uses it if its own expression says so: annexshell wanted REPOSITORY groupwanted
"""


def run(options: Options) -> int:
    """Sets the expression, or prints it if none is given."""
    group, expression = options.text("<group>"), options.given("<expression>")
    with opened(options) as parts:
        preferences = Preferences(parts)
        if expression is None:
            say(preferences.group_expression(group))
            return 0
        with Action("groupwanted", group, options.flag("--quiet")):
            preferences.set_group_expression(group, expression)
    return 0
