"""The gateway: what a repository knows of the nodes behind it, and how it reaches them.

Upstream: Annex/Proxy.hs, Annex/Cluster.hs, Remote/List.hs. Git config and git-annex branch are looked at again for each
request, and read again when they have changed, so that whoever is taken off the gateway is refused from then on.
"""

from __future__ import annotations

import os

from annexshell.annexlog.facts import Facts
from annexshell.annexlog.logs import parse_proxied
from annexshell.disk.perms import make_directories
from annexshell.disk.slots import Slots
from annexshell.disk.spawn import output
from annexshell.errors import AnnexshellError, NodeError, node_error
from annexshell.git.config import read_config
from annexshell.model.ids import uuid_directory
from annexshell.model.remote import LOCAL, parse_cost
from annexshell.policy.proxying import Configuration, check, node_candidates, spoken_for
from annexshell.repo.gateway.remotes import configured_remotes, named_clusters, parse_pace, proxied_remotes
from annexshell.repo.gateway.silence import Silence
from annexshell.repo.gateway.tracked import LocationTracker
from annexshell.repo.local.closing import close
from annexshell.repo.nodes.identify import local_uuid
from annexshell.store.removal import boot_time
from annexshell.stream.polling import PollWaiter
from annexshell.stream.port import Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.git.config import Config
    from annexshell.model.key import Key
    from annexshell.model.remote import Remote
    from annexshell.repo.gateway.evaluation import Wishes
    from annexshell.repo.gateway.member import Tasks
    from annexshell.repo.gateway.placing import Placing
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.nodes.dial import Dialer
    from annexshell.repo.port import Repository

# Seconds that a node may keep silent while it is expected to answer: hashing a large upload takes a while.
NODE_LIMIT = 300.0
# Seconds that a host may take to accept a connection, to greet us on it, and to answer what needs no long work.
CONNECT_LIMIT = 30.0
_HOP_COST = 10.0


class Gateway:
    """One repository as a gateway."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.uuid = parts.uuid
        self.facts = Facts(parts.git, parts.journal)
        self.tracker = LocationTracker(parts.journal, parts.layout)
        self.silence = Silence(parts.paths.annex_dir, parts.perms)
        self.waiting = Waiting(PollWaiter(NODE_LIMIT), PollWaiter(CONNECT_LIMIT))  # for nodes
        self._config: Config = parts.config
        self._state: tuple[object, ...] = ()
        self._configuration: Configuration | None = None
        self._costs: dict[str, float] = {}
        self._loads: dict[bytes, Slots] = {}
        self.clock: Callable[[], int] = boot_time
        self._wishes: Wishes | None = None
        self._placing: Placing | None = None

    def configuration(self) -> Configuration:
        """What decides whom we proxy for, as of now."""
        state = self._present_state()
        if self._configuration is None or state != self._state:
            if self._configuration is not None:
                self._config = read_config(self.parts.git)
            self._configuration = self._read()
            self._state = state
        return self._configuration

    def is_current(self) -> bool:
        """Whether that is known without reading anything."""
        return self._configuration is not None and self._present_state() == self._state

    def _present_state(self) -> tuple[object, ...]:
        return (self.parts.version.identity(), self.parts.journal.branch.tip(), self.facts.refs_state())

    def _read(self) -> Configuration:
        config = self._config
        remotes = configured_remotes(config, self.parts.directory)
        for remote in remotes:
            if not remote.uuid and remote.kind == LOCAL:
                remote.uuid = local_uuid(remote, self.parts.git.env) or b""
        proxies = self.facts.proxies()
        remotes += proxied_remotes(remotes, proxies, config)
        return Configuration(
            self.uuid,
            self.facts.listed_by(self.uuid),
            self.facts.clusters(),
            named_clusters(config),
            sorted(remotes, key=self.cost),
            self.facts.dead(),
            {gateway: {uuid for uuid, _ in parse_proxied(value)} for gateway, value in proxies.items()},
        )

    def cost(self, remote: Remote) -> float:
        """What it costs to reach a remote: that of the first step there, and something for each gateway on the way, so
        that of two ways to a node the shorter is chosen. Upstream counts no hops."""
        return self._step_cost(remote) + _HOP_COST * remote.hops

    def _step_cost(self, remote: Remote) -> float:
        """annex-cost-command wins over annex-cost; it is run once."""
        command = remote.setting("annex-cost-command")
        if not command:
            return remote.configured_cost
        if remote.name not in self._costs:
            code, text = output(["sh", "-c", command], self.parts.hook_env, directory=self.parts.directory)
            cost = parse_cost(text) if code == 0 else None
            self._costs[remote.name] = remote.configured_cost if cost is None else cost
        return self._costs[remote.name]

    def check(self, wanted: bytes) -> None:
        """Raises WrongRepository unless we proxy for a uuid."""
        check(self.configuration(), wanted, lambda: os.fsdecode(self.facts.descriptions().get(wanted) or b""))

    def open(self, wanted: bytes, tasks: Tasks | None = None) -> Repository:
        """The node with a uuid that `check` let pass, or the cluster, for which `tasks` is needed."""
        if tasks is not None:
            from annexshell.repo.gateway.cluster import Cluster

            return Cluster(self, wanted, tasks)
        from annexshell.repo.gateway.proxied import ProxiedNode

        return ProxiedNode(self, wanted)

    def node_remote(self, uuid: bytes) -> Remote:
        """The remote by which a node is reached, the cheapest one. Raises WrongRepository if there is none any more."""
        self.check(uuid)
        return node_candidates(self.configuration(), uuid)[0]

    def vouched(self, remote: Remote, uuids: list[bytes]) -> list[bytes]:
        """Those of the repositories named in a remote's answer that it can speak for besides itself, each once."""
        if not uuids:
            return []
        allowed = spoken_for(self.configuration(), remote)
        return [uuid for uuid in dict.fromkeys(uuids) if uuid in allowed]

    def connect(self, remote: Remote, bypass: list[bytes] | None = None) -> Repository:
        """A remote as a repository, reached by what kind of remote it is. Raises NodeError."""
        if remote.kind == LOCAL:
            return self._open_local(remote)
        from annexshell.repo.nodes.reach import reach

        return reach(self, remote, bypass or [])

    def _open_local(self, remote: Remote) -> Repository:
        from annexshell.repo.local.opening import open_local

        try:
            repository = open_local(remote.location, self.parts.git.env, self.uuid, self.parts.warn)
        except (AnnexshellError, OSError) as error:
            raise node_error(remote.name, error) from None
        if repository.uuid != remote.uuid:
            repository.close()
            raise NodeError(remote.name, f"it is another repository, {os.fsdecode(repository.uuid)}")
        return repository

    def dialer(self, more: dict[bytes, bytes] | None = None) -> Dialer:
        """Starts programs that connect to nodes, with more in their environment."""
        from annexshell.repo.nodes.dial import Dialer

        parts = self.parts
        caching = self._config.flag("annex.sshcaching", True) and not parts.crippled and not parts.looks_only
        return Dialer(parts.paths.annex_dir, {**parts.git.env, **(more or {})}, caching, parts.perms, self.waiting)

    def jobs(self) -> int | None:
        """How many nodes may be worked with at once: annex.jobs, or all of them."""
        number = self._config.number("annex.jobs", 0)
        return number if number > 0 else None

    def pace(self, remote: Remote) -> tuple[int, float]:
        """How slow an upload to a node may be while it holds up others: (bytes, seconds)."""
        names = ("annex-stalldetection-upload", "annex-stalldetection")
        texts = [remote.setting(name) or self._config.get(name.replace("-", ".", 1)) for name in names]
        return parse_pace(os.fsdecode(texts[0] or texts[1] or b""))

    def locations(self, key: Key) -> set[bytes]:
        """The repositories that have the content, as far as is known here."""
        return self.facts.locations(self.parts.layout.location_log(key))

    def wishes(self) -> Wishes:
        """What the repositories want that contents may be stored in."""
        if self._wishes is None:
            from annexshell.repo.gateway.evaluation import Wishes

            self._wishes = Wishes(self.parts, self._trust_levels)
        return self._wishes

    def placing(self, offload: Callable[[Callable[[], None]], None]) -> Placing:
        """What decides which nodes an upload goes to; `offload` calls what may have to wait."""
        if self._placing is None:
            from annexshell.repo.gateway.placing import Placing

            self._placing = Placing(self.parts, self.wishes(), offload)
        return self._placing

    def _trust_levels(self) -> dict[bytes, int | None]:
        """The trust levels that the git config sets for remotes, special ones too; None where it sets none."""
        from annexshell.policy.snapshot import TRUST_LEVELS

        levels: dict[bytes, int | None] = {remote.uuid: None for remote in self.configuration().remotes}
        for name in self._config.names("remote."):
            remote, _, field = name.rpartition(".")
            if field == "annex-uuid":
                level = self._config.get(f"{remote}.annex-trustlevel") or b""
                levels[self._config.get(name) or b""] = TRUST_LEVELS.get(os.fsdecode(level))
        return levels

    def load(self, uuid: bytes) -> int:
        """How many transfers to and from a node are running, in all processes of this gateway."""
        return self._slots(uuid).count()

    def busy(self, uuid: bytes) -> int:
        """A file descriptor that counts as a running transfer until it is closed, -1 if that does not work."""
        try:
            return self._slots(uuid).take()
        except OSError:
            return -1

    def _slots(self, uuid: bytes) -> Slots:
        directory = self.parts.paths.annex_dir + b"/annexshell"
        if uuid not in self._loads:
            make_directories(directory, self.parts.paths.annex_dir, self.parts.perms)
            self._loads[uuid] = Slots(b"%b/busy.%b" % (directory, uuid_directory(uuid)))
        return self._loads[uuid]

    def warn(self, failure: AnnexshellError, name: str = "") -> None:
        """Tells the operator of what a node did wrong; `name` is that of the node where the failure does not say it."""
        text = failure.public
        self.parts.warn(f"{name}: {text}" if name and not isinstance(failure, NodeError) else text)

    def close(self) -> None:
        """Commits what was recorded."""
        if self._wishes is not None:
            self._wishes.close()
        close(self.parts, changed=False)
