"""annexshell extendcluster: makes this repository one more gateway of a cluster."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = f"""Makes this repository one more gateway of the cluster that a remote is a gateway of.

Usage:
  annexshell extendcluster [options] [--] <gateway> <name>

{OPTIONS}

The gateway has to be a remote over ssh or http that has been fetched from. Next, fetch from here there, and extend the
cluster there to here.
"""


def run(options: dict[str, Any]) -> int:
    """Also updates the cluster."""
    gateway, name = options["<gateway>"], options["<name>"]
    with opened(options, announce=False) as parts:
        clusters = Clusters(parts, say, warn)
        clusters.extend(gateway, name)
        if not options["--quiet"]:
            say(f"extendcluster {name} ok")
        clusters.update()
    return 0
