"""Setting up clusters and proxying, as git-annex's commands of these names do it, and some that it lacks.

Upstream: Command/InitCluster.hs, UpdateCluster.hs, ExtendCluster.hs, UpdateProxy.hs. What is set up is git config;
what clients are told of it is recorded in cluster.log, proxy.log and uuid.log of the git-annex branch. Either program
can go on from what the other has set up.
"""

from __future__ import annotations

import os
from uuid import uuid4

from annexshell.annexlog.facts import Facts
from annexshell.annexlog.logs import MapLog, UuidLog, format_proxied, is_legal_remote_name, parse_proxied
from annexshell.annexlog.setvalue import note
from annexshell.errors import Refused
from annexshell.git.config import set_config, unset_config
from annexshell.model.ids import is_cluster_uuid, to_cluster_uuid
from annexshell.policy.recording import can_be_kept, kept_name, membership, obstacle, proxied_pairs
from annexshell.repo.gateway.remotes import CLUSTER
from annexshell.repo.gateway.surroundings import Surroundings
from annexshell.repo.nodes.identify import Identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annexshell.model.remote import Remote
    from annexshell.policy.recording import Pair
    from annexshell.repo.local.parts import Parts

_NOT_A_NODE = "Cannot use this remote as a cluster node."
_NOT_PROXIED = "Cannot proxy to this remote."


class Clusters:
    """The clusters of one gateway. `tell` and `warn` are given lines for a person; all methods raise Refused for what
    can't be done, and ChildFailed, OSError or DiskError for what failed."""

    def __init__(self, parts: Parts, tell: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._parts = parts
        self._git = parts.git
        self._facts = Facts(parts.git, parts.journal)
        self._identifier = Identifier(parts, warn)
        self._records = _Records(parts, self._facts)
        self._tell = tell
        self._warn = warn

    def init(self, name: str, description: str | None) -> None:
        """Makes a new cluster, unless there is one of this name."""
        kept = self._new_name(name)
        here = self._look()
        if kept in here.named:
            return
        if here.remote(kept) is not None:
            self._warn(f"There is a remote {kept} too. If you proxy for it, clients can't tell it from the cluster.")
        uuid = to_cluster_uuid(str(uuid4()).encode())
        set_config(self._git, CLUSTER + kept, uuid)
        self._records.describe(uuid, f"cluster {name}" if description is None else description)

    def extend(self, gateway: str, name: str) -> None:
        """Makes this repository one more gateway of the cluster that a remote is a gateway of."""
        here = self._ask(gateway)
        way = next((remote for remote in here.remotes if remote.name == gateway), None)
        remote = here.remote(f"{gateway}-{name}")
        if way is None or remote is None:
            raise Refused(
                f'there is no available git remote named "{gateway}-{name}"; perhaps you need to git fetch {gateway},'
                " or to update the cluster there"
            )
        if not is_cluster_uuid(remote.uuid):
            raise Refused(f"{remote.name} is not a cluster remote.")
        kept = self._new_name(name)
        if here.named.get(kept, remote.uuid) != remote.uuid:
            raise Refused(f"the name {kept} already belongs to another cluster here")
        if kept not in here.named:
            set_config(self._git, CLUSTER + kept, remote.uuid)
        if remote.uuid not in way.gateway_of:
            self._set_words(way, "annex-cluster-gateway", [*way.gateway_of, remote.uuid])

    def update(self) -> None:
        """Records the nodes of all clusters as they are configured, and then what is proxied."""
        here = self._ask()
        usable = self._usable(here, lambda remote: bool(remote.cluster_names), _NOT_A_NODE)
        elsewhere = {remote.uuid for remote in here.behind()}
        for name, uuid in sorted(here.named.items()):
            self._update_nodes(here, name, uuid, [r for r in usable if name in r.cluster_names], elsewhere)
        self.update_proxies()

    def _update_nodes(
        self, here: Surroundings, name: str, cluster: bytes, remotes: Iterable[Remote], elsewhere: set[bytes]
    ) -> None:
        mine: dict[bytes, str] = {}
        for remote in remotes:
            if here.is_private(remote.uuid):
                self._warn(f"{remote.name} is private, so that nobody can be told of it. {_NOT_A_NODE}")
            else:
                mine.setdefault(remote.uuid, remote.name)
        nodes = membership(here.clusters.get(cluster, ()), here.dead, mine, elsewhere)
        if not nodes.changed:
            self._tell(f"No cluster node changes for cluster: {name}")
        for added in nodes.added:
            self._tell(f"Added node {added} to cluster: {name}")
        self._tell_removed(here, name, nodes.removed)
        if nodes.nodes or nodes.changed:
            self._records.nodes(cluster, nodes.nodes)

    def _tell_removed(self, here: Surroundings, cluster: str, nodes: Iterable[bytes]) -> None:
        for node in nodes:
            self._tell(f"Removed node {here.description(node)} from cluster: {cluster}")

    def update_proxies(self) -> None:
        """Records what is proxied: remotes that are configured so, nodes, clusters, and nodes of these clusters that
        are reached through other gateways."""
        here = self._ask()
        targets = []
        for remote in self._usable(here, lambda remote: remote.is_to_be_proxied, _NOT_PROXIED):
            if not is_legal_remote_name(os.fsencode(remote.name)):
                self._warn(f"{remote.name} has a name that git-annex does not accept from others. {_NOT_PROXIED}")
            elif not here.is_private(remote.uuid):
                targets.append(remote)
        alive = {cluster: here.alive(cluster) for cluster in here.clusters}
        wanted = proxied_pairs(targets, here.behind(), here.named, alive)
        before = here.recorded_pairs()
        for pair in sorted(wanted ^ before):
            self._tell(f"{'Started' if pair in wanted else 'Stopped'} proxying for {pair[1]}")
        if wanted == before:
            self._tell("No proxy changes to record.")
        else:
            self._records.proxied(wanted)

    def rename(self, old: str, new: str) -> None:
        """Gives a cluster another name here. It stays the same cluster, for clients too: its uuid does not change."""
        here = self._look()
        described = f"cluster {old}"
        old, uuid = self._existing(here, old)
        kept = self._new_name(new)
        if kept == old:
            return
        if here.named.get(kept, uuid) != uuid:
            raise Refused(f"there is a cluster {kept} already")
        set_config(self._git, CLUSTER + kept, uuid)
        for remote in here.remotes:
            names = remote.cluster_names
            if old in names:
                self._set_names(remote, [kept if name == old else name for name in names])
        unset_config(self._git, CLUSTER + old)
        if self._facts.descriptions().get(uuid) in (os.fsencode(described), b"cluster " + os.fsencode(old)):
            self._records.describe(uuid, f"cluster {new}")

    def remove(self, name: str) -> None:
        """Ends a cluster here: this repository is no gateway of it any more, and its own nodes are nodes no more. What
        is stored on them stays there."""
        here = self._look()
        name, uuid = self._existing(here, name)
        recorded = set(here.clusters.get(uuid, ()))
        mine = {remote.uuid for remote in here.remotes if name in remote.cluster_names}
        if list(here.named.values()).count(uuid) == 1:
            staying = recorded & _nodes_of_others(here, uuid) - mine
            self._tell_removed(here, name, sorted(recorded - staying))
            if staying != recorded:
                self._records.nodes(uuid, sorted(staying))
        for remote in here.remotes:
            if name in remote.cluster_names:
                self._set_names(remote, [other for other in remote.cluster_names if other != name])
            if uuid in remote.gateway_of:
                self._set_words(
                    remote, "annex-cluster-gateway", [other for other in remote.gateway_of if other != uuid]
                )
        unset_config(self._git, CLUSTER + name)

    def add_node(self, cluster: str, name: str) -> None:
        """Configures a remote as a node of a cluster."""
        here = self._ask()
        cluster, _ = self._existing(here, cluster)
        remote = self._identifier.identified(_configured(here, name), ask=True)
        reasons = obstacle(remote, here.uuid, here.special)
        if reasons:
            raise Refused(_refusal(reasons, _NOT_A_NODE))
        if not is_legal_remote_name(os.fsencode(name)):
            raise Refused(f"{name} has a name that git-annex does not accept from others; git remote rename helps")
        if here.is_private(remote.uuid):
            raise Refused(f"{name} is private, so that nobody can be told of it. {_NOT_A_NODE}")
        if cluster not in remote.cluster_names:
            self._set_names(remote, [*remote.cluster_names, cluster])

    def remove_node(self, cluster: str, name: str) -> None:
        """Configures a remote as not being a node of a cluster."""
        here = self._look()
        cluster, _ = self._existing(here, cluster)
        remote = _configured(here, name)
        if cluster in remote.cluster_names:
            self._set_names(remote, [other for other in remote.cluster_names if other != cluster])

    def _look(self) -> Surroundings:
        """The state just now."""
        return Surroundings(self._parts, self._facts)

    def _ask(self, about: str = "") -> Surroundings:
        """The state just now, with the uuids of remotes found out that clients may reach through us, and of the one
        that this is `about`."""

        def identified(remote: Remote) -> Remote:
            ask = remote.is_to_be_proxied or bool(remote.gateway_of) or remote.name == about
            return self._identifier.identified(remote, ask)

        return Surroundings(self._parts, self._facts, identified)

    def _usable(self, here: Surroundings, wanted: Callable[[Remote], bool], cannot: str) -> list[Remote]:
        found = []
        for remote in [*here.behind(), *here.remotes]:
            if wanted(remote):
                reasons = obstacle(remote, here.uuid, here.special)
                if reasons:
                    self._warn(_refusal(reasons, cannot))
                else:
                    found.append(remote)
        return found

    def _new_name(self, name: str) -> str:
        """The name as git keeps it. Raises Refused for one that can't be used."""
        if not is_legal_remote_name(os.fsencode(name)):
            raise Refused("That cluster name is not a valid git remote name.")
        if not can_be_kept(name):
            raise Refused(
                f"git config can't hold the cluster name {name}; use letters, digits and -, beginning with a letter"
            )
        kept = kept_name(name)
        if kept != name:
            self._warn(f"git config has no capital letters there, so the cluster is called {kept}.")
        return kept

    def _existing(self, here: Surroundings, name: str) -> tuple[str, bytes]:
        """A cluster's name as git keeps it, and its uuid. Raises Refused."""
        kept = kept_name(name)
        if kept not in here.named:
            known = ", ".join(sorted(here.named)) or "none"
            raise Refused(f"there is no cluster {name} here, but: {known}")
        return kept, here.named[kept]

    def _set_names(self, remote: Remote, names: list[str]) -> None:
        self._set_words(remote, "annex-cluster-node", [os.fsencode(name) for name in names])

    def _set_words(self, remote: Remote, field: str, words: list[bytes]) -> None:
        name = f"remote.{remote.name}.{field}"
        if words:
            set_config(self._git, name, b" ".join(words))
        else:
            unset_config(self._git, name)


class _Records:
    """What the git-annex branch is told of clusters."""

    def __init__(self, parts: Parts, facts: Facts) -> None:
        self._uuid = parts.uuid
        self._journal = parts.journal
        self._facts = facts

    def describe(self, uuid: bytes, text: str) -> None:
        """What a cluster is called."""
        self._note(UuidLog, b"uuid.log", uuid, os.fsencode(text).replace(b"\n", b"\\n"))

    def nodes(self, cluster: bytes, nodes: list[bytes]) -> None:
        """All nodes of a cluster."""
        self._note(MapLog, b"cluster.log", cluster, b" ".join(nodes))

    def proxied(self, pairs: Iterable[Pair]) -> None:
        """All that this repository proxies for."""
        self._note(MapLog, b"proxy.log", self._uuid, format_proxied((uuid, os.fsencode(name)) for uuid, name in pairs))

    def _note(self, kind: type[MapLog] | type[UuidLog], path: bytes, field: bytes, value: bytes) -> None:
        note(self._journal, self._facts, kind, path, field, value)


def _refusal(reasons: list[str], cannot: str) -> str:
    return " ".join([reasons[0], cannot, *reasons[1:]])


def _configured(here: Surroundings, name: str) -> Remote:
    """The remote that the git config has under a name. Raises Refused."""
    for remote in here.remotes:
        if remote.name == name:
            return remote
    if here.remote(name) is not None:
        raise Refused(f"{name} is reached through another gateway, and can be a node only if it is one there")
    raise Refused(f'there is no available git remote named "{name}"')


def _nodes_of_others(here: Surroundings, cluster: bytes) -> set[bytes]:
    """What other gateways of the cluster proxy for."""
    found: set[bytes] = set()
    for gateway, value in here.proxies.items():
        uuids = {uuid for uuid, _ in parse_proxied(value)}
        if gateway != here.uuid and cluster in uuids:
            found |= uuids
    return found
