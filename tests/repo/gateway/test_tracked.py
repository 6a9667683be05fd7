"""What a node has is recorded in the gateway's own location log."""

from __future__ import annotations

from typing import Any

import pytest

from annexshell.errors import NodeFailed
from annexshell.model.key import parse_key
from annexshell.repo.gateway.tracked import TrackedRepository
from annexshell.repo.port import AlreadyHave, Repository, Writing

KEY = parse_key(b"WORM--key")
NODE, OURS, FOREIGN = b"node", b"ours", b"foreign"


class Record:
    """Notes what was recorded."""

    def __init__(self) -> None:
        self.stored_at: list[list[bytes]] = []
        self.removed_from: list[list[bytes]] = []

    def stored(self, _key: object, uuids: list[bytes]) -> None:
        self.stored_at.append(uuids)

    def removed(self, _key: object, uuids: list[bytes]) -> None:
        self.removed_from.append(uuids)


class Stored(Writing):
    offset = 0

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        del valid, verified
        return [OURS, FOREIGN]

    def finish_present(self) -> list[bytes]:
        return [OURS]


class Node(Repository):
    uuid = NODE

    def __init__(self, has_it: bool = False, fails: bool = False) -> None:
        self._has_it = has_it
        self._fails = fails

    def put(self, _key: object, _file: bytes) -> AlreadyHave | Writing:
        return AlreadyHave([OURS, FOREIGN]) if self._has_it else Stored()

    def remove(self, _key: object, _before: int | None = None) -> list[bytes]:
        if self._fails:
            raise NodeFailed("not everywhere", [OURS, FOREIGN])
        return [OURS, FOREIGN]


def tracked(node: Node) -> tuple[TrackedRepository, Record]:
    record: Any = Record()
    return TrackedRepository(node, record, lambda uuids: [uuid for uuid in uuids if uuid == OURS]), record


def test_uploads_are_recorded_when_they_have_ended() -> None:
    repository, record = tracked(Node())
    for end in ("finish", "finish_present"):
        writing = repository.put(KEY, b"")
        assert isinstance(writing, Writing)
        assert not record.stored_at
        assert (writing.finish(True) if end == "finish" else writing.finish_present()) == [OURS]
        assert record.stored_at == [[NODE, OURS]]
        record.stored_at.clear()


def test_what_was_there_already_is_not_recorded() -> None:
    repository, record = tracked(Node(has_it=True))
    answer = repository.put(KEY, b"")
    assert isinstance(answer, AlreadyHave)
    assert (answer.uuids, record.stored_at) == ([OURS], [])


def test_removals_are_recorded() -> None:
    repository, record = tracked(Node())
    assert repository.remove(KEY) == [OURS]
    assert record.removed_from == [[NODE, OURS]]


def test_a_removal_that_fails_is_recorded_where_it_worked() -> None:
    """And nothing is believed about repositories that are not the node's to speak for."""
    repository, record = tracked(Node(fails=True))
    with pytest.raises(NodeFailed, match="not everywhere") as caught:
        repository.remove(KEY)
    assert (caught.value.uuids, record.removed_from) == ([OURS], [[OURS]])
