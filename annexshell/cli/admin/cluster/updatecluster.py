"""annexshell updatecluster: records the nodes of clusters, and what is proxied."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = f"""Tells clients which remotes are nodes of the clusters here, and which are proxied.

Usage:
  annexshell updatecluster [options]

{OPTIONS}

Looks at the git config remote.NAME.annex-cluster-node of each remote, which holds the names of its clusters.
"""


def run(options: dict[str, Any]) -> int:
    """Run twice it changes nothing."""
    with opened(options, announce=False) as parts:
        Clusters(parts, say, warn).update()
    return 0
