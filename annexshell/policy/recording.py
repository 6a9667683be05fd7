"""The records to write about clusters and proxying. Pure.

Upstream: Command/UpdateCluster.hs, Command/UpdateProxy.hs. Two differences, so that running it twice changes nothing:
a dead node that is configured and recorded stays as it is, and what could not be read back is never written.
"""

from __future__ import annotations

from annexshell.model.ids import is_recordable
from annexshell.model.remote import OTHER, SPECIAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from annexshell.model.remote import Remote

    Pair = tuple[bytes, str]  # uuid and name of what is proxied


def can_be_kept(name: str) -> bool:
    """Whether the name of a cluster, one that is legal for remotes, can end the name of a git config too: from its
    last dot on git wants only letters, digits and `-`, and first a letter."""
    variable = name.rpartition(".")[2]
    return variable[:1].isalpha() and variable.isascii() and variable.replace("-", "").isalnum()


def kept_name(name: str) -> str:
    """The name of a cluster as it comes back from git, which has no capital letters there."""
    section, dot, variable = name.rpartition(".")
    return section + dot + variable.lower()


def obstacle(remote: Remote, own: bytes, special: Mapping[bytes, Mapping[bytes, bytes]]) -> list[str]:
    """The reason why a remote can't be proxied, and what to do about it, as sentences; empty if it can. `own` is the
    uuid of the gateway, `special` the shared configuration of special remotes."""
    if not is_recordable(remote.uuid):
        return [f"{remote.name} is a git remote without a known annex-uuid."]
    if remote.uuid == own:
        return [f"{remote.name} is this repository itself."]
    if remote.kind == OTHER:
        return [f"{remote.name} can't be reached by its url; give it one of ssh, or an annexUrl of annex+https."]
    if remote.kind != SPECIAL:
        return []
    shared = special.get(remote.setting("annex-config-uuid") or remote.uuid, {})
    if shared.get(b"exporttree") != b"yes" or shared.get(b"annexobjects") == b"yes":
        return [f"{remote.name} is a special remote, which only git-annex itself can serve yet."]
    return [
        f"{remote.name} is a special remote configured with exporttree=yes, but without annexobjects=yes.",
        f"Suggest you run: git-annex enableremote {remote.name} annexobjects=yes",
    ]


class Membership:
    """The nodes of a cluster as they are to be recorded, and how they come to differ from those that are."""

    __slots__ = ("added", "changed", "nodes", "removed")

    def __init__(self, nodes: list[bytes], changed: bool, added: list[str], removed: list[bytes]) -> None:
        self.nodes = nodes
        self.changed = changed
        self.added = added  # names of remotes
        self.removed = removed


def membership(
    recorded: Collection[bytes], dead: Collection[bytes], mine: Mapping[bytes, str], elsewhere: Collection[bytes]
) -> Membership:
    """`mine` are the nodes that the git config names, with the names of the remotes; `elsewhere` the repositories that
    are reached through other gateways, which stay nodes if they are."""
    before = set(recorded)
    alive = before - set(dead)
    wanted = set(mine) | (alive & set(elsewhere))
    if wanted in (before, alive):
        return Membership(sorted(before), False, [], [])
    added = [mine[uuid] for uuid in sorted(set(mine) - before)]
    return Membership(sorted(wanted), True, added, sorted(alive - wanted))


def proxied_pairs(
    targets: Iterable[Remote],
    behind: Iterable[Remote],
    named: Mapping[str, bytes],
    clusters: Mapping[bytes, Collection[bytes]],
) -> set[Pair]:
    """What a gateway proxies for: its `targets`, its clusters by their names, and the nodes of these clusters that are
    reached through other gateways (`behind`) and not directly."""
    pairs = {(remote.uuid, remote.name) for remote in targets} | {(uuid, name) for name, uuid in named.items()}
    direct = {uuid for uuid, _ in pairs}
    nodes = {node for uuid in named.values() for node in clusters.get(uuid, ())}
    return pairs | {(r.uuid, r.name) for r in behind if r.uuid in nodes - direct}
