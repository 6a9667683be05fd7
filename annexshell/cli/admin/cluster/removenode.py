"""annexshell removenode: takes a node out of a cluster."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import Action, say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = f"""Makes a remote a node of a cluster no more, and tells clients of it.

Usage:
  annexshell removenode [options] [--] <cluster> <remote>

{OPTIONS}

What is stored on it stays there. Of a remote that is gone already, annexshell updatecluster takes notice.
"""


def run(options: dict[str, Any]) -> int:
    """Also updates the cluster."""
    cluster, remote = options["<cluster>"], options["<remote>"]
    with opened(options) as parts:
        with Action("removenode", f"{cluster} {remote}", options["--quiet"]) as action:
            Clusters(parts, say, action.warn).remove_node(cluster, remote)
        Clusters(parts, say, warn).update()
    return 0
