"""annexshell renamecluster: gives a cluster another name."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import Action, say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Gives a cluster another name, in the git config here and for clients.

Usage:
  annexshell renamecluster [options] [--] <old> <new>

{OPTIONS}

It stays the same cluster, with its uuid, preferred content and groups. Other gateways keep their own name for it.
"""


def run(options: Options) -> int:
    """Renames the cluster and then updates it, as updatecluster does."""
    old, new = options.text("<old>"), options.text("<new>")
    with opened(options) as parts:
        with Action("renamecluster", f"{old} {new}", options.flag("--quiet")) as action:
            Clusters(parts, say, action.warn).rename(old, new)
        Clusters(parts, say, warn).update()
    return 0
