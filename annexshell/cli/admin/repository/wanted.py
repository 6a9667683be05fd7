"""annexshell wanted: gets or sets what content a repository wants."""

from __future__ import annotations

from annexshell.admin.preferences import WANTED, Preferences
from annexshell.cli.admin.report import Action, say
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Gets or sets the preferred content expression of a repository.

Usage:
  annexshell wanted [options] [--] <repository> [<expression>]

{OPTIONS}

REPOSITORY is the name of a remote, a description, a uuid, or "here". An upload to a cluster goes to the nodes that want
it. Expressions are explained at https://git-annex.branchable.com/git-annex-preferred-content/
"""


def run(options: Options) -> int:
    """Sets the expression, or prints it if none is given."""
    return get_or_set("wanted", WANTED, options)


def get_or_set(verb: str, log: bytes, options: Options) -> int:
    """Gets or sets an expression in any log of expressions."""
    name, expression = options.text("<repository>"), options.given("<expression>")
    with opened(options) as parts:
        preferences = Preferences(parts)
        uuid = preferences.uuid_of(name)
        if expression is None:
            say(preferences.expression(log, uuid))
            return 0
        with Action(verb, name, options.flag("--quiet")):
            preferences.set_expression(log, uuid, expression)
    return 0
