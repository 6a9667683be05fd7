"""annexshell updateproxy: records what is proxied."""

from __future__ import annotations

from annexshell.admin.setup import Clusters
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import OPTIONS, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = f"""Tells clients which remotes of this repository they can reach through it.

Usage:
  annexshell updateproxy [options]

{OPTIONS}

Those are the remotes with the git config remote.NAME.annex-proxy=true, and the nodes of its clusters.
"""


def run(options: dict[str, Any]) -> int:
    """Run twice it changes nothing."""
    with opened(options, announce=False) as parts:
        Clusters(parts, say, warn).update_proxies()
    return 0
