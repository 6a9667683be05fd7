"""How a repository and the nodes behind it are: who answers, and how full they are, for people."""

from __future__ import annotations

import os

from annexshell.admin.health import ask_nodes
from annexshell.admin.overview import Overview
from annexshell.admin.preferences import Preferences
from annexshell.errors import AnnexshellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.admin.shown import Described, NodeSummary, ShownRepository, Summary
    from annexshell.repo.local.parts import Parts


def summary(parts: Parts, limit: float | None) -> Summary:
    """Each node is asked for up to `limit` seconds, or none with None. Blocks; the first time that sizes are asked for
    may take a minute."""
    looked = Overview(parts)
    overview = looked.repository()
    asked = [] if limit is None else ask_nodes(parts, limit)
    answers = {os.fsdecode(remote.uuid): None if error is None else error.reason for remote, error in asked}
    sizes = _sizes(parts)
    size, maximum = sizes.get(overview["uuid"], (None, None))
    return {
        "uuid": overview["uuid"],
        "description": overview["description"],
        "directory": overview["directory"],
        "size": size,
        "maximum": maximum,
        "names": looked.names(),
        "clusters": [{"name": cluster["name"], "uuid": cluster["uuid"]} for cluster in overview["clusters"]],
        "nodes": [_node(node, clusters, answers, sizes) for node, clusters in _nodes(overview)],
    }


def _sizes(parts: Parts) -> dict[str, tuple[int, int | None]]:
    try:
        rows = Preferences(parts).overview()
    except (AnnexshellError, OSError):  # a repository where we may not write, for one, or an empty one
        return {}
    return {os.fsdecode(uuid): (size, maximum) for uuid, _, size, maximum in rows}


def _nodes(overview: ShownRepository) -> list[tuple[Described, list[str]]]:
    """What is proxied for and the nodes of clusters, each once, with the names of its clusters."""
    found: dict[str, tuple[Described, list[str]]] = {}
    for cluster in overview["clusters"]:
        for node in cluster["nodes"]:
            if not node["dead"]:
                found.setdefault(node["uuid"], (node, []))[1].append(cluster["name"])
    for remote in overview["proxied"]:
        found.setdefault(remote["uuid"], (remote, []))
    return sorted(found.values(), key=lambda pair: (pair[1], pair[0]["name"] or pair[0]["description"]))


def _node(
    node: Described, clusters: list[str], answers: dict[str, str | None], sizes: dict[str, tuple[int, int | None]]
) -> NodeSummary:
    uuid = node["uuid"]
    size, maximum = sizes.get(uuid, (None, None))
    return {
        "uuid": uuid,
        "name": node["name"] or node["description"],
        "clusters": clusters,
        "asked": uuid in answers,
        "problem": answers.get(uuid) or node["problem"],
        "size": size,
        "maximum": maximum,
    }
