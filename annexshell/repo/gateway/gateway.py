"""The gateway: a repository that leads to others, and how what is behind it is opened."""

from __future__ import annotations

from annexshell.annexlog.facts import Facts
from annexshell.errors import AnnexshellError, NodeError, doing
from annexshell.repo.gateway.configuration import LiveConfiguration
from annexshell.repo.gateway.tracked import LocationTracker
from annexshell.repo.local.closing import close

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.remote import Remote
    from annexshell.repo.gateway.cluster import Cluster
    from annexshell.repo.gateway.member import NodeTasks
    from annexshell.repo.gateway.placing import Placing
    from annexshell.repo.gateway.proxied import ProxiedNode
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.port import Repository
    from annexshell.stream.port import Waiting

# Seconds that a node may keep silent while it is expected to answer: hashing a large upload takes a while.
NODE_LIMIT = 300.0
# Seconds that a host may take to accept a connection, to greet us on it, and to answer what needs no long work.
CONNECT_LIMIT = 30.0


class Gateway:
    """One repository as a gateway: what it is configured to lead to, and what it has recorded of that."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.facts = Facts(parts.git, parts.journal)
        self.configuration = LiveConfiguration(parts, self.facts)
        self.tracker = LocationTracker(self.facts, parts.journal, parts.annex.layout)

    def connect(self, remote: Remote, waiting: Waiting, bypass: list[bytes]) -> Repository:
        """A remote as a repository, reached by what kind of remote it is. Raises NodeError."""
        from annexshell.repo.nodes.reach import Origin, reach

        return reach(Origin(self.parts, waiting), remote, bypass)

    def warn(self, failure: AnnexshellError, name: str = "") -> None:
        """Tells the operator of what a node did wrong; `name` is that of the node where the failure does not say it."""
        text = failure.public
        self.parts.use.warn(f"{name}: {text}" if name and not isinstance(failure, NodeError) else text)

    def close(self) -> None:
        """Commits what was recorded. Raises ChildFailed, DiskError."""
        with doing("committing the location log"):
            close(self.parts, changed=False)


def open_node(gateway: Gateway, uuid: bytes, waiting: Waiting) -> ProxiedNode:
    """A node that the gateway's configuration lets clients have. It is waited for with `waiting`."""
    from annexshell.repo.gateway.proxied import ProxiedNode

    return ProxiedNode(
        uuid,
        gateway.configuration,
        lambda remote, bypass: gateway.connect(remote, waiting, bypass),
        gateway.tracker,
        gateway.warn,
        gateway.close,
    )


def open_cluster(gateway: Gateway, uuid: bytes, waiting: Waiting, tasks: NodeTasks) -> Cluster:
    """The same for a cluster, whose nodes are talked to with `tasks`."""
    from annexshell.repo.gateway.cluster import Cluster
    from annexshell.repo.gateway.loads import Loads
    from annexshell.repo.gateway.members import Members
    from annexshell.repo.gateway.silence import Silence
    from annexshell.repo.local.once import Once
    from annexshell.repo.local.opening import local_repository
    from annexshell.store.removal import boot_time

    parts, configuration = gateway.parts, gateway.configuration
    loads = Loads(parts.annex.path, parts.annex.perms)
    members = Members(
        uuid,
        configuration,
        lambda remote, bypass: gateway.connect(remote, waiting, bypass),
        Silence(parts.annex.path, parts.annex.perms),
        loads,
        boot_time,
        tasks,
        gateway.warn,
    )
    placing = Once(lambda: _placing(parts, configuration, tasks))
    return Cluster(uuid, local_repository(parts, b""), members, placing, gateway.tracker, loads, tasks, gateway.warn)


def _placing(parts: Parts, configuration: LiveConfiguration, tasks: NodeTasks) -> Placing:
    """Not all sessions store something, and preferred content takes some modules."""
    from annexshell.repo.gateway.placing import Placing
    from annexshell.repo.gateway.preferredcontent import PreferredContent

    return Placing(parts, PreferredContent(parts, configuration.trust_levels), tasks.offload)
