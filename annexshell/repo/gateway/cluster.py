"""A cluster: a repository made of the nodes behind this gateway, and of the other gateways of the same cluster.

Upstream: Annex/Cluster.hs, P2P/Proxy.hs. A node that can't be reached, fails or stalls is left out of the operation and
never ends the client's session; what happened on the other nodes is recorded all the same.
"""

from __future__ import annotations

import os
from functools import partial

from annexshell.errors import (
    AnnexshellError,
    NodeError,
    NodeFailed,
    NotPresent,
    Refused,
    TooLate,
    TransferBusy,
    WrongRepository,
)
from annexshell.policy.cost import reading_order
from annexshell.policy.nodes import put_targets
from annexshell.policy.proxying import cluster_members
from annexshell.repo.gateway.member import Member
from annexshell.repo.port import AlreadyHave, Held, Reading, Repository, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annexshell.annexlog.reservations import Reservation
    from annexshell.model.key import Key
    from annexshell.model.remote import Remote
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.gateway.member import Tasks
    from annexshell.repo.local.repository import LocalRepository
    from annexshell.stream.port import Waiting

    Wanting = Callable[[list[Member]], list[Member]]


class Cluster(Repository):
    """Nodes are connected to on first use, several at once as `tasks` allows."""

    def __init__(self, gateway: Gateway, uuid: bytes, waiting: Waiting, tasks: Tasks) -> None:
        self.uuid = uuid
        self.gateway = gateway
        self.tasks = tasks
        self._waiting = waiting
        self._bypassed: list[bytes] = []
        self._members: dict[tuple[object, ...], Member] = {}
        self._own: LocalRepository | None = None
        self._turn = os.urandom(1)[0]

    def bypass(self, gateways: list[bytes]) -> None:
        self._bypassed = gateways
        self._keep([])

    # Members

    def _participants(self) -> tuple[list[Member], list[Member]]:
        """(nodes, other gateways), in cost order. Raises NodeError if there are none, or if the cluster is no longer
        served."""
        configuration = self.gateway.configuration
        if not configuration.is_current():
            self.tasks.offload(configuration.now)  # the logs may be long
        try:
            configuration.check(self.uuid)
        except WrongRepository as error:
            self._keep([])
            raise NodeError("gateway", str(error)) from None
        nodes, gateways = cluster_members(configuration.now(), self.uuid, self._bypassed)
        if not nodes and not gateways:
            raise NodeError("cluster", "it has no nodes that can be used here: check the git config of the gateway")
        self._keep([*nodes, *gateways])
        return [self._member(remote) for remote in nodes], [self._member(remote) for remote in gateways]

    def _keep(self, remotes: Sequence[Remote]) -> None:
        """Closes the connections to all other members."""
        kept = {_identity(remote) for remote in remotes}
        dropped = [identity for identity in self._members if identity not in kept]
        self.tasks.each(lambda member: member.close(), [self._members.pop(identity) for identity in dropped])

    def _member(self, remote: Remote) -> Member:
        identity = _identity(remote)
        if identity not in self._members:
            gateway = self.gateway
            bypass = sorted({*self._bypassed, gateway.uuid})
            self._members[identity] = Member(
                remote,
                gateway.configuration.cost(remote),
                partial(gateway.connect, remote, self._waiting, bypass),
                partial(gateway.configuration.vouched, remote),
                self.tasks,
                gateway.silence,
                gateway.clock,
                gateway.warn,
            )
        return self._members[identity]

    def _locations(self, key: Key) -> set[bytes]:
        return self.gateway.locations(key, self.tasks.offload)

    def _holders(self, key: Key) -> list[Member]:
        """The members that have the key as far as the gateway knows, best first."""
        nodes, gateways = self._participants()
        locations = self._locations(key)
        found = [node for node in nodes if node.uuid in locations]
        if locations & set(self.gateway.configuration.now().clusters.get(self.uuid, ())):
            found += gateways
        self._turn += 1
        is_choice = len({member.cost for member in found}) < len(found)
        ordered = reading_order(
            found, lambda m: m.cost, lambda m: self.gateway.loads.count(m.uuid) if is_choice else 0, self._turn
        )
        return sorted(ordered, key=lambda member: member.is_silent())

    def _answering(self, members: list[Member]) -> list[Member]:
        """The members worth asking where all are asked at once, without silent ones, which would keep the client
        waiting. All of them if all are silent."""
        return [member for member in members if not member.is_silent()] or members

    # Reading

    def present(self, key: Key) -> bool:
        failure: AnnexshellError | None = None
        for member in self._holders(key):
            answer = member.present(key)
            if answer is True:
                return True
            if isinstance(answer, AnnexshellError):
                self.gateway.warn(answer)
                failure = failure or answer
        if failure is not None:
            raise failure  # the others say no, but this one may have it
        return False

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        own = self._own_repository()
        if own.present(key):
            return own.get(key, offset, file)
        from annexshell.repo.gateway.transfer import ClusterReading

        return ClusterReading(self.gateway, self._holders(key), key, offset, file)

    def _own_repository(self) -> LocalRepository:
        if self._own is None:
            from annexshell.repo.local.opening import local_repository

            self._own = local_repository(self.gateway.parts, b"")
        return self._own

    def lock(self, key: Key) -> Held:  # noqa: ARG002
        raise NotPresent("a cluster can't lock content; its nodes can")

    # Removing

    def timestamp(self) -> int:
        nodes, gateways = self._participants()
        self.tasks.each(lambda member: member.compare_clocks(), self._answering([*nodes, *gateways]))
        return self.gateway.clock()  # read after all have answered: the wait can only shorten the time of a removal

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        nodes, gateways = self._participants()
        members = [*nodes, *gateways]
        answering = self._answering(members)
        removed: list[bytes] = []
        failures: list[AnnexshellError] = [_left_out(member) for member in members if member not in answering]
        for member, answer in zip(answering, self.tasks.each(lambda member: member.remove(key, before), answering)):
            if isinstance(answer, list):
                removed += member.plus(answer)
                continue
            failures.append(answer)
            if isinstance(answer, NodeFailed):
                removed += member.vouched(answer.uuids)
        removed = list(dict.fromkeys(removed))
        self.tasks.offload(lambda: self.gateway.tracker.removed(key, removed))
        if not failures:
            return removed
        for failure in failures:
            self.gateway.warn(failure)
        if removed or not isinstance(failures[0], (NodeError, TooLate)):
            raise NodeFailed("not all nodes of the cluster could remove the content", removed)
        raise failures[0]

    # Storing

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        nodes, gateways = self._participants()
        locations = self._locations(key)
        placing = self.gateway.placing(self.tasks.offload)

        def choose(how: Callable[[Wanting], list[Member]]) -> tuple[list[Member], Reservation]:
            return placing.choose(key, file, locations, how, _uuid)

        targets, reserved = choose(lambda wanting: put_targets(nodes, gateways, _uuid, locations, wanting))
        while True:
            try:
                begun = self._begin(targets, key, file, reserved)
                break
            except AnnexshellError:
                reserved.release()
                rest = [node for node in nodes if node not in targets and node.uuid not in locations]
                if not placing.fills_in_turn:
                    raise
                # Its disk may be full without anybody having said how much it may hold: the next one has its turn.
                targets, reserved = choose(lambda wanting, rest=rest: wanting(rest))  # type: ignore[misc]
                if not targets:
                    reserved.release()
                    raise
                nodes = rest
            except BaseException:
                reserved.release()
                raise
        if isinstance(begun, AlreadyHave):
            reserved.release()
        return begun

    def _begin(self, targets: list[Member], key: Key, file: bytes, reserved: Reservation) -> AlreadyHave | Writing:
        """Begins the upload to all of them, and goes on with those that take it."""
        writings: dict[Member, Writing] = {}
        having: list[bytes] = []
        failures: list[AnnexshellError] = []

        answering = self._answering(targets)
        others = [member for member in targets if member not in answering]
        for members in (answering, others):
            if writings or having:  # silent nodes are asked only if nobody else takes it
                failures += map(_left_out, members)
                break
            answers = self.tasks.each(lambda m: m.attempt(lambda node: node.put(key, file)), members)
            for member, answer in zip(members, answers):
                if isinstance(answer, Writing):
                    writings[member] = answer
                elif isinstance(answer, AlreadyHave):
                    having += member.plus(answer.uuids)
                else:
                    failures.append(answer)
        for failure in failures:
            self.gateway.warn(failure)
        if writings:
            from annexshell.repo.gateway.transfer import ClusterWriting

            return ClusterWriting(self.gateway, self.tasks, key, writings, reserved)
        if having:
            # Another gateway that sent BYPASS would not understand the longer form of this answer.
            return AlreadyHave([] if self._bypassed else list(dict.fromkeys(having)))
        raise summary(failures)

    def close(self) -> None:
        self._keep([])
        self.gateway.close()


def _left_out(member: Member) -> AnnexshellError:
    return NodeError(member.name, "it has not answered lately, and is left out for a while")


def _uuid(member: Member) -> bytes:
    return member.uuid


def summary(failures: list[AnnexshellError]) -> AnnexshellError:
    """The error to answer with when no node did its part: an ERROR if no node was usable, else a failure."""
    if len(failures) == 1:
        return failures[0]
    text = "; ".join(str(failure) for failure in failures)
    if all(isinstance(failure, NodeError) for failure in failures):
        return NodeError("cluster", text)
    if any(isinstance(failure, TransferBusy) for failure in failures):
        return TransferBusy(text)
    return Refused(text)


def _identity(remote: Remote) -> tuple[object, ...]:
    return (remote.name, remote.uuid, remote.location, tuple(sorted(remote.settings.items())))
