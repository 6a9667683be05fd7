"""What the nodes of a cluster answer when an upload begins, and what is made of that. Pure."""

from __future__ import annotations

from annexshell.errors import AnnexshellError, NodeError, Refused, TransferBusy
from annexshell.repo.port import AlreadyHave, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from annexshell.repo.gateway.member import Member


class PutAnswers:
    """`writings` are the uploads that have begun, `having` the repositories that have the key already."""

    def __init__(self) -> None:
        self.writings: dict[Member, Writing] = {}
        self.having: list[bytes] = []
        self.failures: list[AnnexshellError] = []

    def add(self, member: Member, answer: AlreadyHave | Writing | AnnexshellError) -> None:
        if isinstance(answer, Writing):
            self.writings[member] = answer
        elif isinstance(answer, AlreadyHave):
            self.having += member.plus(answer.uuids)
        else:
            self.failures.append(answer)

    def leave_out(self, members: Iterable[Member]) -> None:
        """These are not asked."""
        self.failures += map(left_out, members)

    @property
    def suffice(self) -> bool:
        """Whether nobody else has to be asked."""
        return bool(self.writings or self.having)

    def without_writings(self, is_plain: bool) -> AlreadyHave:
        """The answer where no upload has begun; `is_plain` if it has to be one without uuids. Raises AnnexshellError
        if nobody has the key."""
        if self.having:
            return AlreadyHave([] if is_plain else list(dict.fromkeys(self.having)))
        raise summary(self.failures)


def left_out(member: Member) -> NodeError:
    """The failure of a member that is not asked."""
    return NodeError(member.name, "it has not answered lately, and is left out for a while")


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
