"""A gateway's knowledge of the nodes behind it, always current: each request checks whether git config and git-annex
branch have changed, and reads them again if so. A node that is taken off the gateway is refused from then on.

Upstream: Annex/Proxy.hs, Annex/Cluster.hs, Remote/List.hs.
"""

from __future__ import annotations

import os

from annexshell.annexlog.logs import parse_proxied
from annexshell.disk.spawn import output
from annexshell.model.remote import LOCAL, parse_cost
from annexshell.policy.proxying import Configuration, check, node_candidates, spoken_for
from annexshell.repo.gateway.remotes import configured_remotes, named_clusters, parse_pace, proxied_remotes
from annexshell.repo.nodes.identify import local_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.facts import Facts
    from annexshell.model.remote import Remote
    from annexshell.repo.local.parts import Parts

_HOP_COST = 10.0


class LiveConfiguration:
    """The facts that decide which repositories a gateway proxies for, and how."""

    def __init__(self, parts: Parts, facts: Facts) -> None:
        self.uuid = parts.uuid
        self._parts = parts
        self._facts = facts
        self._state: tuple[object, ...] = ()
        self._configuration: Configuration | None = None
        self._costs: dict[str, float] = {}

    def now(self) -> Configuration:
        """As of now."""
        state = self._present_state()
        if self._configuration is None or state != self._state:
            self._configuration = self._read()
            self._state = state
        return self._configuration

    def known(self) -> Configuration | None:
        """The same if it is known without reading anything, else None."""
        if self._configuration is not None and self._present_state() == self._state:
            return self._configuration
        return None

    def _present_state(self) -> tuple[object, ...]:
        return (self._parts.git_config.identity(), self._parts.journal.branch.tip(), self._facts.refs_state())

    def _read(self) -> Configuration:
        config = self._parts.git_config.now()
        remotes = [self._identified(remote) for remote in configured_remotes(config, self._parts.paths.top)]
        proxies = self._facts.proxies()
        remotes += proxied_remotes(remotes, proxies, config)
        return Configuration(
            self._parts.uuid,
            self._facts.listed_by(self._parts.uuid),
            self._facts.clusters(),
            named_clusters(config),
            sorted(remotes, key=self.cost),
            self._facts.dead(),
            {gateway: {uuid for uuid, _ in parse_proxied(value)} for gateway, value in proxies.items()},
        )

    def _identified(self, remote: Remote) -> Remote:
        if remote.uuid or remote.kind != LOCAL:
            return remote
        return remote.with_uuid(local_uuid(remote, self._parts.git.env) or b"")

    def cost(self, remote: Remote) -> float:
        """The cost of reaching a remote: that of the first step, and something for each gateway on the way, so that the
        shorter of two ways to a node is chosen. Upstream counts no hops."""
        return self._step_cost(remote) + _HOP_COST * remote.hops

    def _step_cost(self, remote: Remote) -> float:
        """annex-cost-command wins over annex-cost; it is run once."""
        command = remote.setting("annex-cost-command")
        if not command:
            return remote.configured_cost
        if remote.name not in self._costs:
            code, text = output(["sh", "-c", command], self._parts.hook_env(), directory=self._parts.paths.top)
            cost = parse_cost(text) if code == 0 else None
            self._costs[remote.name] = remote.configured_cost if cost is None else cost
        return self._costs[remote.name]

    def check(self, wanted: bytes, configuration: Configuration | None = None) -> None:
        """Raises WrongRepository unless we proxy for a uuid, according to what is true now or to a `configuration`."""
        check(configuration or self.now(), wanted, lambda: os.fsdecode(self._facts.descriptions().get(wanted) or b""))

    def node_remote(self, uuid: bytes) -> Remote:
        """The cheapest remote that leads to a node. Raises WrongRepository if there is no longer one."""
        self.check(uuid)
        return node_candidates(self.now(), uuid)[0]

    def vouched(self, remote: Remote, uuids: list[bytes]) -> list[bytes]:
        """Those of the repositories named in a remote's answer that it can speak for besides itself, each once."""
        if not uuids:
            return []
        allowed = spoken_for(self.now(), remote)
        return [uuid for uuid in dict.fromkeys(uuids) if uuid in allowed]

    def jobs(self) -> int | None:
        """How many nodes may be worked with at once: annex.jobs, or all of them."""
        number = self._parts.git_config.last.number("annex.jobs", 0)
        return number if number > 0 else None

    def pace(self, remote: Remote) -> tuple[int, float]:
        """How slow an upload to a node may be while it holds up others: (bytes, seconds)."""
        names = ("annex-stalldetection-upload", "annex-stalldetection")
        config = self._parts.git_config.last
        texts = [remote.setting(name) or config.get(name.replace("-", ".", 1)) for name in names]
        return parse_pace(os.fsdecode(texts[0] or texts[1] or b""))

    def trust_levels(self) -> dict[bytes, int | None]:
        """The trust levels that the git config sets for remotes, special ones too; None where it sets none."""
        from annexshell.policy.snapshot import TRUST_LEVELS

        levels: dict[bytes, int | None] = {remote.uuid: None for remote in self.now().remotes}
        config = self._parts.git_config.last
        for name in config.names("remote."):
            remote, _, field = name.rpartition(".")
            if field == "annex-uuid":
                level = config.get(f"{remote}.annex-trustlevel") or b""
                levels[config.get(name) or b""] = TRUST_LEVELS.get(os.fsdecode(level))
        return levels
