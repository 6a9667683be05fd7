"""The members of a cluster: its nodes behind this gateway, and the other gateways of it, as the configuration names
them now."""

from __future__ import annotations

import os
from functools import partial

from annexshell.errors import NodeError, WrongRepository
from annexshell.policy.cost import reading_order
from annexshell.policy.proxying import cluster_members
from annexshell.repo.gateway.member import Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from annexshell.errors import AnnexshellError
    from annexshell.model.remote import Remote
    from annexshell.repo.gateway.configuration import LiveConfiguration
    from annexshell.repo.gateway.loads import Loads
    from annexshell.repo.gateway.member import NodeTasks
    from annexshell.repo.gateway.silence import Silence
    from annexshell.repo.port import Repository


class Members:
    """Each is connected to on first use, by `connect`, and kept for as long as it stays configured as it was."""

    def __init__(
        self,
        uuid: bytes,
        configuration: LiveConfiguration,
        connect: Callable[[Remote, list[bytes]], Repository],
        silence: Silence,
        loads: Loads,
        clock: Callable[[], int],
        tasks: NodeTasks,
        warn: Callable[[AnnexshellError, str], None],
    ) -> None:
        self._uuid = uuid
        self._configuration = configuration
        self._connect = connect
        self._silence = silence
        self._loads = loads
        self.clock = clock
        self._tasks = tasks
        self._warn = warn
        self._members: dict[tuple[object, ...], Member] = {}
        self._turn = os.urandom(1)[0]
        self.bypassed: list[bytes] = []

    def bypass(self, gateways: list[bytes]) -> None:
        """The gateways that must not be reached again, which members are told when they are connected to."""
        self.bypassed = gateways
        self._keep([])

    def participants(self) -> tuple[list[Member], list[Member]]:
        """(nodes, other gateways), in cost order. Raises NodeError if there are none, or if the cluster is no longer
        served."""
        found = self._configuration.known() or self._tasks.offload(self._configuration.now)  # the logs may be long
        try:
            self._configuration.check(self._uuid, found)
        except WrongRepository as error:
            self._keep([])
            raise NodeError("gateway", str(error)) from None
        nodes, gateways = cluster_members(found, self._uuid, self.bypassed)
        if not nodes and not gateways:
            raise NodeError("cluster", "it has no nodes that can be used here: check the git config of the gateway")
        self._keep([*nodes, *gateways])
        return [self._member(remote) for remote in nodes], [self._member(remote) for remote in gateways]

    def holders(self, locations: Collection[bytes]) -> list[Member]:
        """The members that have what is at these locations, best first."""
        nodes, gateways = self.participants()
        found = [node for node in nodes if node.uuid in locations]
        if gateways and set(self._configuration.now().clusters.get(self._uuid, ())).intersection(locations):
            found += gateways
        self._turn += 1
        is_choice = len({member.cost for member in found}) < len(found)
        ordered = reading_order(
            found, lambda m: m.cost, lambda m: self._loads.count(m.uuid) if is_choice else 0, self._turn
        )
        return sorted(ordered, key=lambda member: member.is_silent())

    def pace(self, member: Member) -> tuple[int, float]:
        """How slow an upload may be while it holds up others: (bytes, seconds)."""
        return self._configuration.pace(member.remote)

    def _keep(self, remotes: Sequence[Remote]) -> None:
        """Closes the connections to all other members."""
        kept = {_identity(remote) for remote in remotes}
        dropped = [identity for identity in self._members if identity not in kept]
        self._tasks.each(lambda member: member.close(), [self._members.pop(identity) for identity in dropped])

    def _member(self, remote: Remote) -> Member:
        identity = _identity(remote)
        if identity not in self._members:
            configuration = self._configuration
            bypass = sorted({*self.bypassed, configuration.uuid})
            self._members[identity] = Member(
                remote,
                configuration.cost(remote),
                partial(self._connect, remote, bypass),
                partial(configuration.vouched, remote),
                self._tasks,
                self._silence,
                self.clock,
                self._warn,
            )
        return self._members[identity]

    def close(self) -> None:
        """Closes all connections."""
        self._keep([])


def answering(members: list[Member]) -> list[Member]:
    """The members worth asking where all are asked at once, without silent ones, which would keep the client waiting.
    All of them if all are silent."""
    return [member for member in members if not member.is_silent()] or members


def _identity(remote: Remote) -> tuple[object, ...]:
    return (remote.name, remote.uuid, remote.location, tuple(sorted(remote.settings.items())))
