"""What is made of the answers of nodes to an upload."""

from __future__ import annotations

from typing import Any

import pytest

from annexshell.errors import AnnexshellError, DiskFull, NodeError, Refused, TransferBusy
from annexshell.repo.gateway.answers import PutAnswers, left_out, summary
from annexshell.repo.port import AlreadyHave, Writing


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def plus(self, uuids: list[bytes]) -> list[bytes]:
        return [self.name.encode(), *uuids]


A: Any = Named("a")
B: Any = Named("b")


def test_uploads_begin_where_they_can() -> None:
    answers, writing = PutAnswers(), Writing()
    answers.add(A, DiskFull("full"))
    found = [answers.suffice]
    answers.add(B, writing)
    assert [*found, answers.suffice] == [False, True]
    assert answers.writings == {B: writing}
    assert [str(failure) for failure in answers.failures] == ["full"]


def test_who_has_it_is_named_once() -> None:
    answers = PutAnswers()
    answers.add(A, AlreadyHave([b"x"]))
    answers.add(B, AlreadyHave([b"x"]))
    assert answers.suffice
    assert answers.without_writings(is_plain=False).uuids == [b"a", b"x", b"b"]
    assert answers.without_writings(is_plain=True).uuids == []


def test_nobody_takes_it() -> None:
    answers = PutAnswers()
    answers.add(A, NodeError("a", "gone"))
    with pytest.raises(NodeError, match=r"^a: gone$"):
        answers.without_writings(is_plain=False)


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ([NodeError("a", "gone"), left_out(B)], NodeError),
        ([NodeError("a", "gone"), TransferBusy("busy")], TransferBusy),
        ([NodeError("a", "gone"), DiskFull("full")], Refused),
        ([DiskFull("full")], DiskFull),
    ],
)
def test_the_error_for_all(failures: list[AnnexshellError], expected: type[AnnexshellError]) -> None:
    """A plain failure if any node could have done it."""
    assert type(summary(failures)) is expected
