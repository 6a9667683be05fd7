"""What a repository is, and does, for people: its clusters and their nodes, what it proxies for, running transfers."""

from __future__ import annotations

import os

from annexshell.annexlog.logs import parse_proxied
from annexshell.errors import AnnexshellError
from annexshell.git.config import read_config
from annexshell.git.paths import locate
from annexshell.git.program import Git
from annexshell.model.ids import is_cluster_uuid
from annexshell.model.remote import LOCAL
from annexshell.policy.recording import obstacle
from annexshell.repo.gateway.gateway import Gateway
from annexshell.repo.gateway.surroundings import Surroundings
from annexshell.repo.local.parts import Parts, Use
from annexshell.repo.local.running import SENDING, transfers
from annexshell.repo.nodes.identify import local_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.admin.shown import Described, Node, Proxied, ShownCluster, ShownRepository, ShownTransfer
    from annexshell.model.remote import Remote


class Overview:
    """Looks once; what it returns is plain, for JSON. Texts are for display only."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gateway = Gateway(parts)
        self._here = Surroundings(parts, self._gateway.facts, self._identified)
        self._recorded = self._here.recorded_pairs()

    def _identified(self, remote: Remote) -> Remote:
        if remote.kind != LOCAL:
            return remote
        self._parts.use.tell(f"looking at {remote.name}", 0, None)
        return remote.with_uuid(local_uuid(remote, self._parts.git.env) or remote.uuid)

    def repository(self) -> ShownRepository:
        """Everything but transfers."""
        parts, here = self._parts, self._here
        return {
            "uuid": _text(here.uuid),
            "description": here.description(here.uuid),
            "directory": _text(parts.paths.top),
            "version": parts.config.number("annex.version", 0),
            "clusters": [self._cluster(name, uuid) for name, uuid in sorted(here.named.items())],
            "proxied": self._proxied(),
        }

    def _cluster(self, name: str, uuid: bytes) -> ShownCluster:
        here = self._here
        recorded = here.clusters.get(uuid, [])
        remotes = {remote.uuid: remote for remote in [*here.behind(), *here.remotes]}
        configured = [remote for remote in here.remotes if name in remote.cluster_names]
        known = {remote.uuid for remote in configured}
        pairs = [(r.uuid, r) for r in configured] + [(u, remotes.get(u)) for u in recorded if u not in known]
        nodes: list[Node] = [
            {
                **self._described(node, remote),
                "configured": node in known,
                "recorded": node in recorded,
                "dead": node in here.dead,
            }
            for node, remote in sorted(pairs, key=lambda pair: pair[0])
        ]
        return {
            "name": name,
            "uuid": _text(uuid),
            "description": here.description(uuid),
            "recorded": (uuid, name) in self._recorded,
            "gateways": self._gateways(uuid),
            "nodes": nodes,
        }

    def _gateways(self, cluster: bytes) -> list[Described]:
        """The other gateways of a cluster: those configured here, and those that tell clients that they are some."""
        here = self._here
        uuids = {remote.uuid for remote in here.remotes if cluster in remote.gateway_of}
        for gateway, value in here.proxies.items():
            if cluster in {uuid for uuid, _ in parse_proxied(value)}:
                uuids.add(gateway)
        remotes = {remote.uuid: remote for remote in here.remotes}
        return [self._described(uuid, remotes.get(uuid)) for uuid in sorted(uuids - {here.uuid, b""})]

    def _proxied(self) -> list[Proxied]:
        """The remotes that clients are told of, or should be."""
        here = self._here
        remotes = {(remote.uuid, remote.name): remote for remote in [*here.behind(), *here.remotes]}
        wanted = {pair for pair, remote in remotes.items() if remote.is_to_be_proxied}
        found: list[Proxied] = []
        for pair in sorted(self._recorded | wanted):
            if not is_cluster_uuid(pair[0]):
                described = self._described(pair[0], remotes.get(pair))
                described["name"] = pair[1]
                found.append({**described, "configured": pair in wanted, "recorded": pair in self._recorded})
        return found

    def _described(self, uuid: bytes, remote: Remote | None) -> Described:
        return {
            "name": None if remote is None else remote.name,
            "uuid": _text(uuid),
            "description": self._here.description(uuid),
            "kind": None if remote is None else remote.kind,
            "location": None if remote is None else _location(remote),
            "via": None if remote is None or not remote.proxied_by else self._here.description(remote.proxied_by),
            "cost": None if remote is None else self._gateway.configuration.cost(remote),
            "problem": None
            if remote is None
            else " ".join(obstacle(remote, self._here.uuid, self._here.special)) or None,
        }

    def names(self) -> dict[str, str]:
        """What repositories are called that are described here."""
        described = self._gateway.facts.descriptions().items()
        return {_text(uuid): _text(name) for uuid, name in described if name}

    def transfers(self) -> list[ShownTransfer]:
        """Those of this repository, and those of remotes on this machine that it serves."""
        found = self._transfers_of(self._parts, None)
        seen = {self._here.uuid}
        for number, remote in enumerate(self._here.remotes):
            self._parts.use.tell("looking for transfers", number, len(self._here.remotes))
            if remote.kind == LOCAL and remote.is_to_be_proxied and remote.uuid not in seen:
                seen.add(remote.uuid)
                try:
                    paths = locate(remote.location)
                    git = Git(paths.git_dir, self._parts.git.env)
                    found += self._transfers_of(
                        Parts(paths, read_config(git), git, Use(self._parts.use.warn)), remote.name
                    )
                except (AnnexshellError, OSError):
                    continue
        return found

    def _transfers_of(self, parts: Parts, name: str | None) -> list[ShownTransfer]:
        return [
            {
                "repository": name,
                "transfer": "uploading" if transfer["transfer"] == SENDING else "downloading",
                "key": transfer["key"],
                "file": transfer["file"],
                "remote": self._peer(os.fsencode(transfer["peer"])),
                "started": transfer["started"],
                "done": transfer["done"],
                "size": transfer["size"],
            }
            for transfer in transfers(parts)
        ]

    def _peer(self, uuid: bytes) -> str:
        return "this gateway" if uuid == self._here.uuid else self._here.description(uuid)


def _location(remote: Remote) -> str:
    return _text(os.path.realpath(remote.location) if remote.kind == LOCAL else remote.location)


def _text(data: bytes) -> str:
    return os.fsdecode(data)
