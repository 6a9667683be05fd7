"""A session on a repository that fails where others don't."""

from __future__ import annotations

import pytest

from annexshell.errors import AnnexshellError, DiskError
from annexshell.model.key import Key
from annexshell.repo.port import Held, Repository
from annexshell.serve.session import Session
from annexshell.stream.memory import MemoryStream


class ClumsyHeld(Held):
    def release(self) -> None:
        raise DiskError("a lock file could not be deleted")

    def abandon(self) -> None:
        pass


class Clumsy(Repository):
    """Has everything, but does not tidy up."""

    uuid = b"U"

    def present(self, key: Key) -> bool:
        return True

    def lock(self, key: Key) -> Held:
        return ClumsyHeld()


@pytest.mark.parametrize("unlock", [b"UNLOCKCONTENT", b"CHECKPRESENT WORM--x"])
def test_nothing_answers_an_unlocking(unlock: bytes) -> None:
    """A client that unlocks awaits no answer: it would take it for that to its next request."""
    stream = MemoryStream(b"LOCKCONTENT WORM--x\n" + unlock + b"\nCHECKPRESENT WORM--x\n")
    told: list[AnnexshellError] = []
    Session(stream, Clumsy(), told.append).serve()
    answers = bytes(stream.outgoing).splitlines()
    assert [answer for answer in answers if not answer.startswith(b"ERROR")] == [b"SUCCESS", b"SUCCESS"]
    assert [str(error) for error in told] == ["a lock file could not be deleted"]
