"""The gateway: what a repository knows of the nodes behind it, and how it reaches them.

Upstream: Annex/Proxy.hs, Annex/Cluster.hs, Remote/List.hs. Git config and git-annex branch are looked at again for each
request, and read again when they have changed, so that whoever is taken off the gateway is refused from then on.
"""

from __future__ import annotations

import os

from annexshell.annexlog.facts import Facts
from annexshell.annexlog.gitconfig import read_config
from annexshell.annexlog.logs import is_legal_remote_name
from annexshell.disk.spawn import output
from annexshell.errors import AnnexshellError, NodeError
from annexshell.model.ids import is_cluster_uuid
from annexshell.model.remote import LOCAL, P2P, SSH
from annexshell.policy.proxying import Configuration, check, node_candidates
from annexshell.repo.remotes import configured_remotes, proxied_remotes
from annexshell.repo.tracked import LocationTracker
from annexshell.stream.polling import PollWaiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.gitconfig import Config
    from annexshell.model.remote import Remote
    from annexshell.repo.parts import Parts
    from annexshell.repo.port import Repository
    from annexshell.stream.port import Waiter

_LIMIT = (
    300.0  # seconds that a node may keep silent while it is expected to answer: hashing a large upload takes a while
)


class Gateway:
    """One repository as a gateway."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.uuid = parts.uuid
        self.facts = Facts(parts.git, parts.journal)
        self.tracker = LocationTracker(parts.journal, parts.layout)
        self.waiter: Waiter = PollWaiter(_LIMIT)  # how connections to nodes wait for them
        self._config: Config = parts.config
        self._state: tuple[object, ...] = ()
        self._configuration: Configuration | None = None
        self._costs: dict[str, float] = {}

    def configuration(self) -> Configuration:
        """What decides whom we proxy for, as of now."""
        state = (self.parts.version.identity(), self.parts.journal.branch.tip(), self.facts.refs_state())
        if self._configuration is None or state != self._state:
            if self._configuration is not None:
                self._config = read_config(self.parts.git)
            self._configuration = self._read()
            self._state = state
        return self._configuration

    def _read(self) -> Configuration:
        config = self._config
        remotes = configured_remotes(config, self.parts.directory)
        for remote in remotes:
            if not remote.uuid and remote.kind == LOCAL:
                remote.uuid = _uuid_of(remote, self.parts)
        proxies = self.facts.proxies()
        remotes += proxied_remotes(remotes, proxies, config)
        return Configuration(
            self.uuid,
            self.facts.listed_by(self.uuid),
            self.facts.clusters(),
            _named_clusters(config),
            sorted(remotes, key=self.cost),
            self.facts.dead(),
        )

    def cost(self, remote: Remote) -> float:
        """annex-cost-command wins over annex-cost; it is run once."""
        command = remote.setting("annex-cost-command")
        if not command:
            return remote.configured_cost
        if remote.name not in self._costs:
            code, text = output(["sh", "-c", command], self.parts.git.env, directory=self.parts.directory)
            try:
                self._costs[remote.name] = float(text) if code == 0 else remote.configured_cost
            except ValueError:
                self._costs[remote.name] = remote.configured_cost
        return self._costs[remote.name]

    def check(self, wanted: bytes) -> None:
        """Raises WrongRepository unless we proxy for a uuid."""
        description = self.facts.descriptions().get(wanted) or b""
        check(self.configuration(), wanted, os.fsdecode(description))

    def open(self, wanted: bytes) -> Repository:
        """The node or the cluster with a uuid that `check` let pass."""
        if is_cluster_uuid(wanted):
            raise NotImplementedError
        from annexshell.repo.proxied import ProxiedNode

        return ProxiedNode(self, wanted)

    def node_remote(self, uuid: bytes) -> Remote:
        """The remote by which a node is reached, the cheapest one. Raises WrongRepository if there is none any more."""
        self.check(uuid)
        return node_candidates(self.configuration(), uuid)[0]

    def connect(self, remote: Remote, bypass: list[bytes] | None = None) -> Repository:
        """A remote as a repository, reached by what kind of remote it is. Raises NodeError."""
        if remote.kind == LOCAL:
            return self._open_local(remote)
        if remote.kind in (SSH, P2P):
            return self._peer(remote, bypass or [])
        raise NodeError(remote.name, "it is not a remote that can be proxied to")

    def _open_local(self, remote: Remote) -> Repository:
        from annexshell.repo.opening import open_local

        try:
            repository = open_local(remote.location, self.parts.git.env, self.uuid, self.parts.warn)
        except (AnnexshellError, OSError) as error:
            raise NodeError(remote.name, str(error)) from None
        if repository.uuid != remote.uuid:
            repository.close()
            raise NodeError(remote.name, f"it is another repository, {os.fsdecode(repository.uuid)}")
        return repository

    def _peer(self, remote: Remote, bypass: list[bytes]) -> Repository:
        from annexshell.repo.dial import Dialer
        from annexshell.repo.peer import PeerRepository
        from annexshell.store.removal import boot_time

        parts = self.parts
        caching = self._config.flag("annex.sshcaching", True) and not parts.crippled
        dialer = Dialer(parts.paths.annex_dir, parts.git.env, caching, parts.perms, self.waiter)
        if remote.kind == SSH:
            return PeerRepository(
                remote.uuid,
                remote.name,
                lambda: dialer.ssh(remote, self.uuid, remote.uuid),
                boot_time,
                bypass=bypass,
            )
        raise NodeError(remote.name, "it is not a remote that can be proxied to")

    def close(self) -> None:
        """Commits what was recorded."""
        self.parts.close(changed=False)


def _named_clusters(config: Config) -> dict[str, bytes]:
    """The clusters of the git config: annex.cluster.NAME = uuid."""
    prefix = "annex.cluster."
    found = {name[len(prefix) :]: config.get(name) or b"" for name in config.names(prefix)}
    return {name: uuid for name, uuid in found.items() if is_legal_remote_name(os.fsencode(name))}


def _uuid_of(remote: Remote, parts: Parts) -> bytes:
    """The uuid of a repository on this machine, which its own config tells; empty if it can't be read now."""
    from annexshell.annexlog.git import Git
    from annexshell.annexlog.gitdir import locate

    try:
        return read_config(Git(locate(remote.location).git_dir, parts.git.env)).get("annex.uuid") or b""
    except AnnexshellError:
        return b""
