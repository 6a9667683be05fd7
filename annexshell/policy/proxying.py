"""The repositories that a gateway may proxy for. Pure (upstream: Annex/Proxy.hs checkCanProxy, Annex/Cluster.hs).

A git-annex branch that somebody pushed never opens anything by itself: a node is served only if the owner of the
gateway has said so in its git config, and a cluster only has the nodes that both the log and the git config name.
"""

from __future__ import annotations

from annexshell.errors import WrongRepository
from annexshell.model.ids import is_cluster_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from annexshell.model.remote import Remote


class Configuration:
    """The facts that decide, as of one moment.

    `listed` is the own line of proxy.log, uuid to names, and None if there is none; `clusters` cluster.log; `named`
    the clusters of the git config, name to uuid; `remotes` all remotes, those behind gateways included; `dead` the
    uuids that are dead; `proxies` all of proxy.log: the uuids that each gateway says it proxies for.
    """

    def __init__(
        self,
        uuid: bytes,
        listed: Mapping[bytes, Collection[str]] | None,
        clusters: Mapping[bytes, Collection[bytes]],
        named: Mapping[str, bytes],
        remotes: Sequence[Remote],
        dead: Collection[bytes] = (),
        proxies: Mapping[bytes, Collection[bytes]] | None = None,
    ) -> None:
        self.uuid = uuid
        self.listed = listed
        self.clusters = clusters
        self.named = named
        self.remotes = remotes
        self.dead = dead
        self.proxies = proxies or {}


def check(configuration: Configuration, wanted: bytes, describe: Callable[[], str]) -> None:
    """Raises WrongRepository unless the gateway proxies for a uuid; `describe` says what is known about that."""
    if wanted in (configuration.listed or ()):
        if is_cluster_uuid(wanted):
            if wanted in configuration.clusters:
                return
        elif node_candidates(configuration, wanted):
            return
    description = describe()
    if description and configuration.listed is not None:
        raise WrongRepository(f"not configured to proxy for repository {description}")
    raise unexpected(wanted, configuration.uuid)


def unexpected(wanted: bytes, found: bytes) -> WrongRepository:
    return WrongRepository(f"expected repository UUID {_text(wanted)} but found UUID {_text(found)}")


def node_candidates(configuration: Configuration, uuid: bytes) -> list[Remote]:
    """The remotes by which a node may be proxied: those with its uuid and a listed name that the git config allows."""
    names = (configuration.listed or {}).get(uuid, ())
    return [r for r in configuration.remotes if r.uuid == uuid and r.name in names and _is_allowed(configuration, r)]


def _is_allowed(configuration: Configuration, remote: Remote) -> bool:
    if remote.is_proxy_target or any(name in configuration.named for name in remote.cluster_names):
        return True
    return bool(remote.proxied_by) and any(
        gateway.uuid == remote.proxied_by and gateway.gateway_of for gateway in configuration.remotes
    )


def cluster_members(
    configuration: Configuration, cluster: bytes, bypass: Collection[bytes]
) -> tuple[list[Remote], list[Remote]]:
    """(nodes, gateways) that take part when the cluster is used.

    Nodes are remotes that git config puts into a cluster with this uuid and that cluster.log lists. Gateways are the
    ways to the same cluster through other gateways of it, except those that the request has already passed.
    """
    members = set(configuration.clusters.get(cluster, ())) - set(configuration.dead)
    names = {name for name, uuid in configuration.named.items() if uuid == cluster}
    nodes = [r for r in configuration.remotes if r.uuid in members and names & set(r.cluster_names)]
    avoided = {configuration.uuid, *bypass}
    gateways = [
        remote
        for remote in configuration.remotes
        if remote.uuid == cluster
        and remote.proxied_by not in avoided
        and any(g.uuid == remote.proxied_by and cluster in g.gateway_of for g in configuration.remotes)
    ]
    return nodes, gateways


def spoken_for(configuration: Configuration, remote: Remote) -> set[bytes]:
    """The repositories behind a remote that its answers may name: none unless it is a recorded gateway, or a cluster.
    Without this, any node could make us record contents for any repository. A node of ours that no other gateway
    proxies for is behind none."""
    proxies = {gateway: uuids for gateway, uuids in configuration.proxies.items() if gateway != configuration.uuid}
    found: set[bytes] = set()
    left = [remote.uuid]
    while left:
        uuid = left.pop()
        behind = {*proxies.get(uuid, ()), *configuration.clusters.get(uuid, ())} - found
        found |= behind
        left += behind
    ours = {r.uuid for r in configuration.remotes if not r.proxied_by}.difference(*proxies.values())
    return {uuid for uuid in found - ours - {remote.uuid, configuration.uuid} if not is_cluster_uuid(uuid)}


def _text(uuid: bytes) -> str:
    return uuid.decode("utf-8", "surrogateescape")
