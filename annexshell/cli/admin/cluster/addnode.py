"""annexshell addnode: makes a remote a node of a cluster."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import Action, say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Makes a remote a node of a cluster, and publishes that to clients.

Usage:
  annexshell addnode [options] [--] <cluster> <remote>

{OPTIONS}

The remote has to be a git-annex repository already, or a special remote. It may be a node of several clusters.
"""


def run(options: Options) -> int:
    """Configures the node and then updates the cluster, as updatecluster does."""
    cluster, remote = options.text("<cluster>"), options.text("<remote>")
    with opened(options) as parts:
        with Action("addnode", f"{cluster} {remote}", options.flag("--quiet")) as action:
            Clusters(parts, say, action.warn).add_node(cluster, remote)
        Clusters(parts, say, warn).update()
    return 0
