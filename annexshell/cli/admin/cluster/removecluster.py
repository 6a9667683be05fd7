"""annexshell removecluster: removes a cluster from this gateway."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import Action, say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Removes a cluster from this gateway. Its nodes stop being nodes, and clients no longer see it.

Usage:
  annexshell removecluster [options] [--] <cluster>

{OPTIONS}

What is stored on the nodes stays there. If the cluster has other gateways, it lives on with those and their nodes.
"""


def run(options: Options) -> int:
    """Removes the cluster and then updates what is proxied: its nodes may not be any more."""
    name = options.text("<cluster>")
    removed: list[str] = []
    with opened(options) as parts:
        with Action("removecluster", name, options.flag("--quiet")) as action:
            Clusters(parts, removed.append, action.warn).remove(name)
        for line in removed:
            say(line)
        Clusters(parts, say, warn).update()
    return 0
