"""annexshell updatecluster: records the nodes of clusters, and what is proxied."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Publishes to clients which remotes are nodes of the clusters here, and which are proxied.

Usage:
  annexshell updatecluster [options]

{OPTIONS}

The git config remote.NAME.annex-cluster-node of a remote holds the names of the clusters that it is a node of.
"""


def run(options: Options) -> int:
    """Records what has changed since it was last recorded; a second run changes nothing."""
    with opened(options, announce=False) as parts:
        Clusters(parts, say, warn).update()
    return 0
