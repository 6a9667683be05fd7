"""A cluster: a repository made of the nodes behind this gateway, and of the other gateways of the same cluster.

Upstream: Annex/Cluster.hs, P2P/Proxy.hs. A node that can't be reached, fails or stalls is left out of the operation and
never ends the client's session; what happened on the other nodes is recorded all the same.
"""

from __future__ import annotations

from annexshell.errors import AnnexshellError, NodeError, NodeFailed, NotPresent, TooLate
from annexshell.policy.nodes import PutPlan
from annexshell.repo.gateway.answers import PutAnswers, left_out
from annexshell.repo.gateway.members import answering
from annexshell.repo.gateway.transfer import ClusterReading, ClusterWriting
from annexshell.repo.port import AlreadyHave, Held, Reading, Repository, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.annexlog.reservations import Reservation
    from annexshell.model.key import Key
    from annexshell.repo.gateway.loads import Loads
    from annexshell.repo.gateway.member import Member, NodeTasks
    from annexshell.repo.gateway.members import Members
    from annexshell.repo.gateway.placing import Placing
    from annexshell.repo.gateway.tracked import LocationTracker
    from annexshell.repo.local.once import Once


class Cluster(Repository):
    """Several nodes are worked with at once as `tasks` allows. `own` is the repository of the gateway, which may have
    contents itself."""

    def __init__(
        self,
        uuid: bytes,
        own: Repository,
        members: Members,
        placing: Once[Placing],
        tracker: LocationTracker,
        loads: Loads,
        tasks: NodeTasks,
        warn: Callable[[AnnexshellError], None],
    ) -> None:
        self.uuid = uuid
        self.tasks = tasks
        self._own = own
        self._members = members
        self._placing = placing
        self._tracker = tracker
        self._loads = loads
        self._warn = warn

    def bypass(self, gateways: list[bytes]) -> None:
        self._members.bypass(gateways)

    def _locations(self, key: Key) -> set[bytes]:
        return self._tracker.locations(key, self.tasks.offload)

    # Reading

    def present(self, key: Key) -> bool:
        failure: AnnexshellError | None = None
        for member in self._members.holders(self._locations(key)):
            answer = member.present(key)
            if answer is True:
                return True
            if isinstance(answer, AnnexshellError):
                self._warn(answer)
                failure = failure or answer
        if failure is not None:
            raise failure  # the others say no, but this one may have it
        return False

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        if self._own.present(key):
            return self._own.get(key, offset, file)
        holders = self._members.holders(self._locations(key))
        return ClusterReading(holders, self._loads, self._warn, key, offset, file)

    def lock(self, key: Key) -> Held:  # noqa: ARG002
        raise NotPresent("a cluster can't lock content; its nodes can")

    # Removing

    def timestamp(self) -> int:
        nodes, gateways = self._members.participants()
        self.tasks.each(lambda member: member.compare_clocks(), answering([*nodes, *gateways]))
        return self._members.clock()  # read after all have answered: the wait can only shorten the time of a removal

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        nodes, gateways = self._members.participants()
        members = [*nodes, *gateways]
        asked = answering(members)
        removed: list[bytes] = []
        failures: list[AnnexshellError] = [left_out(member) for member in members if member not in asked]
        for member, answer in zip(asked, self.tasks.each(lambda member: member.remove(key, before), asked)):
            if isinstance(answer, list):
                removed += member.plus(answer)
                continue
            failures.append(answer)
            if isinstance(answer, NodeFailed):
                removed += member.vouched(answer.uuids)
        removed = list(dict.fromkeys(removed))
        self.tasks.offload(lambda: self._tracker.removed(key, removed))
        if not failures:
            return removed
        for failure in failures:
            self._warn(failure)
        if removed or not isinstance(failures[0], (NodeError, TooLate)):
            raise NodeFailed("not all nodes of the cluster could remove the content", removed)
        raise failures[0]

    # Storing

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        nodes, gateways = self._members.participants()
        locations = self._locations(key)
        plan = PutPlan(nodes, gateways, locations, _uuid)
        refusal: AnnexshellError | None = None
        placing = self._placing()
        while True:
            targets, reserved = placing.choose(key, file, locations, plan.targets, _uuid)
            try:
                if refusal is not None and not targets:
                    raise refusal
                begun = self._begin(targets, key, file, reserved)
            except BaseException as error:
                reserved.release()
                if not isinstance(error, AnnexshellError) or error is refusal or not placing.fills_in_turn:
                    raise
                # Its disk may be full without anybody having said how much it may hold: the next one has its turn.
                plan.refused(targets)
                refusal = error
                continue
            if isinstance(begun, AlreadyHave):
                reserved.release()
            return begun

    def _begin(self, targets: list[Member], key: Key, file: bytes, reserved: Reservation) -> AlreadyHave | Writing:
        """Begins the upload to all of them, and goes on with those that take it."""
        answers = PutAnswers()
        asked = answering(targets)
        silent = [member for member in targets if member not in asked]
        for members in (asked, silent):
            if answers.suffice:  # silent nodes are asked only if nobody else takes it
                answers.leave_out(members)
                break
            for member, answer in zip(members, self.tasks.each(lambda m: m.put(key, file), members)):
                answers.add(member, answer)
        for failure in answers.failures:
            self._warn(failure)
        if not answers.writings:
            # Another gateway that sent BYPASS would not understand the longer form of this answer.
            return answers.without_writings(is_plain=bool(self._members.bypassed))
        return ClusterWriting(
            answers.writings, self._members.pace, self._tracker, self.tasks, self._warn, key, reserved
        )

    def close(self) -> None:
        self._members.close()
        if self._placing.is_made:
            self._placing().close()
        self._own.close()


def _uuid(member: Member) -> bytes:
    return member.uuid
