"""annexshell extendcluster: makes this repository one more gateway of a cluster."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Makes this repository one more gateway of a cluster that another gateway has.

Usage:
  annexshell extendcluster [options] [--] <gateway> <name>

{OPTIONS}

GATEWAY is the remote of the other gateway, over ssh or http; fetch from it first. Next, go to the other gateway, fetch
from this one, and extend the cluster to it there as well.
"""


def run(options: Options) -> int:
    """Configures the gateway and then updates the cluster, as updatecluster does."""
    gateway, name = options.text("<gateway>"), options.text("<name>")
    with opened(options, announce=False) as parts:
        clusters = Clusters(parts, say, warn)
        clusters.extend(gateway, name)
        if not options.flag("--quiet"):
            say(f"extendcluster {name} ok")
        clusters.update()
    return 0
