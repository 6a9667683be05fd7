"""annexshell removenode: takes a node out of a cluster."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import Action, say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Takes a node out of a cluster, and publishes that to clients.

Usage:
  annexshell removenode [options] [--] <cluster> <remote>

{OPTIONS}

What is stored on the node stays there. If the remote itself has been removed, annexshell updatecluster is enough.
"""


def run(options: Options) -> int:
    """Configures the node and then updates the cluster, as updatecluster does."""
    cluster, remote = options.text("<cluster>"), options.text("<remote>")
    with opened(options) as parts:
        with Action("removenode", f"{cluster} {remote}", options.flag("--quiet")) as action:
            Clusters(parts, say, action.warn).remove_node(cluster, remote)
        Clusters(parts, say, warn).update()
    return 0
