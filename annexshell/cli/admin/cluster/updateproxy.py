"""annexshell updateproxy: records what is proxied."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Publishes to clients which remotes of this repository they can reach through it.

Usage:
  annexshell updateproxy [options]

{OPTIONS}

These are the remotes whose git config has remote.NAME.annex-proxy=true, and the nodes of its clusters.
"""


def run(options: Options) -> int:
    """Records what has changed since it was last recorded; a second run changes nothing."""
    with opened(options, announce=False) as parts:
        Clusters(parts, say, warn).update_proxies()
    return 0
