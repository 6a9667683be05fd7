"""annexshell info: shows a repository, its clusters, and what is going on there."""

from __future__ import annotations

import json

from annexshell.admin.overview import Overview
from annexshell.cli.admin.report import say
from annexshell.cli.admin.target import OPTIONS, looked_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.admin.shown import Described, Node, Proxied, ShownCluster, ShownTransfer
    from annexshell.cli.admin.options import Options


USAGE = f"""Shows a repository: its clusters with their gateways and nodes, what it proxies for, and running transfers.

Usage:
  annexshell info [options]

{OPTIONS}
  --json              Print one line of JSON.

Other hosts are not asked. Transfers are those of this repository and of nodes on this machine.
"""

_UPDATE = "not recorded: annexshell updatecluster"


def run(options: Options) -> int:
    """Prints what is known here. Changes nothing and asks no other host."""
    with looked_at(options) as parts:
        overview = Overview(parts)
        facts, transfers = overview.repository(), overview.transfers()
    if options.flag("--json"):
        say(json.dumps({"command": "info", "success": True, **facts, "transfers in progress": transfers}))
        return 0
    say(f"description: {facts['description']}")
    say(f"uuid: {facts['uuid']}")
    say(f"directory: {facts['directory']}")
    say(f"version: {facts['version']}")
    for cluster in facts["clusters"]:
        _say_cluster(cluster)
    say(f"proxied remotes: {len(facts['proxied'])}")
    for remote in facts["proxied"]:
        _say_repository(remote, _unrecorded(remote))
    say(f"transfers in progress: {len(transfers) or 'none'}")
    for transfer in transfers:
        _say_transfer(transfer)
    return 0


def _say_cluster(cluster: ShownCluster) -> None:
    _say(f"cluster {cluster['name']}: {cluster['uuid']}", _unrecorded(cluster))
    for gateway in cluster["gateways"]:
        _say_repository(gateway, "another gateway")
    for node in cluster["nodes"]:
        _say_repository(node, _state(node), "node ")


def _unrecorded(facts: ShownCluster | Proxied) -> str:
    """Why something is not published to clients, or what to do so that it is."""
    if facts["recorded"]:
        return ""
    return str(facts.get("problem") or _UPDATE)


def _state(node: Node) -> str:
    """Remarks about a node."""
    if node["dead"]:
        return "dead"
    if node["recorded"] and node["name"] is None:
        return "no remote of this repository"
    if node["recorded"] and not node["configured"] and node["via"] is None:
        return "not configured as a node any more: annexshell updatecluster"
    return _unrecorded(node)


def _say_repository(facts: Described, note: str, role: str = "") -> None:
    name = facts["name"] or facts["description"]
    where = "" if facts["kind"] is None else f" {facts['kind']} {facts['location']}, cost {facts['cost']:g}"
    via = "" if facts["via"] is None else f", via {facts['via']}"
    _say(f"    {role}{name}: {facts['uuid'] or 'without uuid'}{where}{via}", note)


def _say(text: str, note: str) -> None:
    say(f"{text} ({note})" if note else text)


def _say_transfer(facts: ShownTransfer) -> None:
    sense = "to" if facts["transfer"] == "uploading" else "from"
    who = "" if facts["repository"] is None else f"{facts['repository']}: "
    what = facts["file"] or facts["key"]
    done, size = facts["done"], facts["size"]
    if done is None:
        state = ""
    elif size:
        state = f", {done * 100 // size} % of {size} bytes"
    else:
        state = f", {done} bytes"
    say(f"    {who}{facts['transfer']} {what} {sense} {facts['remote']}{state}")
