"""Which annexed files have their content here, or on a node behind this repository. Looks at disks and the git-annex
branch, and asks no node.
"""

from __future__ import annotations

import time

from annexshell.errors import AnnexshellError
from annexshell.model.ids import is_cluster_uuid
from annexshell.policy.proxying import node_candidates
from annexshell.repo.gateway.gateway import Gateway
from annexshell.repo.local.opening import local_repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts

_PATIENCE = 10.0  # seconds; what is not known then stays so
LARGEST_README = 1 << 16  # bytes


class Whereabouts:
    """Where the content of a key is: `here`, and the nodes with their names."""

    __slots__ = ("here", "nodes")

    def __init__(self, here: bool, nodes: dict[bytes, str]) -> None:
        self.here = here
        self.nodes = nodes


def look_for(parts: Parts, keys: Iterable[Key]) -> dict[Key, Whereabouts]:
    """Where contents are, for as many of the keys as there is time for. Raises AnnexshellError."""
    end = time.monotonic() + _PATIENCE
    repository = local_repository(parts, b"")
    gateway = Gateway(parts)
    nodes = _nodes(gateway)
    found: dict[Key, Whereabouts] = {}
    for key in keys:
        if time.monotonic() > end:
            break
        holders = gateway.tracker.locations(key, lambda read: read()) if nodes else set()
        here = repository.present(key)
        found[key] = Whereabouts(here, {uuid: name for uuid, name in nodes.items() if uuid in holders})
    return found


def _nodes(gateway: Gateway) -> dict[bytes, str]:
    """The names of the nodes that clients may have, the cheapest first."""
    configuration = gateway.configuration.now()
    listed = configuration.listed or {}
    order = [remote.uuid for remote in configuration.remotes if remote.uuid in listed]
    return {
        uuid: next(iter(listed[uuid]), "")
        for uuid in dict.fromkeys(order)
        if not is_cluster_uuid(uuid) and uuid not in configuration.dead and node_candidates(configuration, uuid)
    }


def text_of(parts: Parts, key: Key) -> bytes:
    """A small content that is here; nothing if it is not, or is not small."""
    try:
        reading = local_repository(parts, b"").get(key, 0, b"")
    except AnnexshellError:
        return b""
    try:
        return (reading.read_small() or b"") if 0 < reading.length <= LARGEST_README else b""
    finally:
        reading.close(False)
