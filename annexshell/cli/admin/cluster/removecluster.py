"""annexshell removecluster: ends a cluster."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import Action, say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = f"""Ends a cluster here: its nodes are nodes no more, and clients don't see it any longer.

Usage:
  annexshell removecluster [options] [--] <cluster>

{OPTIONS}

What is stored on the nodes stays there. If the cluster has other gateways, it goes on with those and their nodes.
"""


def run(options: dict[str, Any]) -> int:
    """Also updates what is proxied."""
    name = options["<cluster>"]
    removed: list[str] = []
    with opened(options) as parts:
        with Action("removecluster", name, options["--quiet"]) as action:
            Clusters(parts, removed.append, action.warn).remove(name)
        for line in removed:
            say(line)
        Clusters(parts, say, warn).update()
    return 0
