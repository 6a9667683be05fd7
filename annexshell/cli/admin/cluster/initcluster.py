"""annexshell initcluster: makes a cluster that this repository is the gateway of."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import Action, say
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Makes a cluster. This repository becomes its gateway.

Usage:
  annexshell initcluster [options] [--] <name> [<description>]

{OPTIONS}

Next, add nodes to it: annexshell addnode NAME REMOTE
"""


def run(options: Options) -> int:
    """Makes the cluster, unless this gateway has one of that name."""
    name = options.text("<name>")
    with opened(options) as parts, Action("initcluster", name, options.flag("--quiet")) as action:
        Clusters(parts, say, action.warn).init(name, options.given("<description>"))
    return 0
