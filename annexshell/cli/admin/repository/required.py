"""annexshell required: gets or sets what content a repository must not lose."""

from __future__ import annotations

from annexshell.admin.preferences import REQUIRED
from annexshell.cli.admin.repository.wanted import get_or_set
from annexshell.cli.admin.target import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Gets or sets the required content expression of a repository. git-annex refuses to drop what matches it.

Usage:
  annexshell required [options] [--] <repository> [<expression>]

{OPTIONS}

What is required is also wanted.
"""


def run(options: Options) -> int:
    """Sets the expression, or prints it if none is given."""
    return get_or_set("required", REQUIRED, options)
