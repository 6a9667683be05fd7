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
    """Whether a legal name of a remote can be that of a cluster, which is the end of the name of a git config: behind
    its last dot, git wants a letter first, and then letters, digits and `-`."""
    variable = name.rpartition(".")[2]
    return variable[:1].isalpha() and variable.isascii() and variable.replace("-", "").isalnum()


def kept_name(name: str) -> str:
    """The name of a cluster as git gives it back: git turns this part of a name into lower case."""
    section, dot, variable = name.rpartition(".")
    return section + dot + variable.lower()


def obstacle(remote: Remote, own: bytes, special: Mapping[bytes, Mapping[bytes, bytes]]) -> list[str]:
    """The sentences that say why a remote can't be proxied, and what to do about it; empty if it can. `own` is the
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
    """The nodes of a cluster that are to be recorded, and how they differ from those that are recorded now."""

    __slots__ = ("added", "changed", "nodes", "removed")

    def __init__(self, nodes: list[bytes], changed: bool, added: list[str], removed: list[bytes]) -> None:
        self.nodes = nodes
        self.changed = changed
        self.added = added  # names of remotes
        self.removed = removed


def membership(
    recorded: Collection[bytes], dead: Collection[bytes], mine: Mapping[bytes, str], elsewhere: Collection[bytes]
) -> Membership:
    """Works out the nodes to record. `mine` are the nodes that the git config names, with the names of their remotes.
    `elsewhere` are the repositories that other gateways reach: of these, the recorded ones stay nodes."""
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
    """What to record in proxy.log: a gateway's `targets`, its clusters with their names, and the nodes of these
    clusters that it reaches only through other gateways (`behind`)."""
    pairs = {(remote.uuid, remote.name) for remote in targets} | {(uuid, name) for name, uuid in named.items()}
    direct = {uuid for uuid, _ in pairs}
    nodes = {node for uuid in named.values() for node in clusters.get(uuid, ())}
    return pairs | {(r.uuid, r.name) for r in behind if r.uuid in nodes - direct}
