"""The conformance suite for servers that notice late that a client is gone, and go on with what it has begun."""

from __future__ import annotations

import pytest

from annexshell.errors import AnnexshellError, NodeError, PeerGone
from annexshell.model.key import Key
from annexshell.relay.copy import receive
from annexshell.repo.port import Writing
from annexshell.stream.memory import MemoryStream
from tests.repo.conformance import SMALL, RepositoryConformance, User, key_of
from tests.repo.places import waiting_for


class DistantConformance(RepositoryConformance):
    def interrupt(self, user: User, key: Key, sent: bytes, announced: int) -> None:
        """The server may not even have what the client sent last: then it is interrupted once more."""

        def is_interrupted() -> bool:
            try:
                writing = user.begin(key)
            except AnnexshellError:  # nobody else can send the content yet
                return False
            try:
                if writing.offset < len(sent):
                    with pytest.raises(PeerGone):
                        receive(MemoryStream(sent[writing.offset :]), writing.begin, announced - writing.offset)
            except NodeError:  # it hangs up in the middle of a large content, as long as the other upload is not over
                return False
            finally:
                writing.abandon()
            return writing.offset == len(sent)

        waiting_for(is_interrupted)

    def complete(self, user: User, key: Key, content: bytes) -> None:
        """The server may not know yet that the attempt before is over: then it hangs up."""

        def is_stored() -> bool:
            try:
                writing = user.repository.put(key, b"")
                if isinstance(writing, Writing):
                    rest = content[writing.offset :]
                    receive(MemoryStream(rest), writing.begin, len(rest))
                    writing.finish(True)
            except AnnexshellError:  # the other one is not known to be gone, or has left something bad
                return False
            return True

        waiting_for(is_stored)

    def put_again(self, user: User) -> None:
        """Stores SMALL after an attempt that ended badly."""
        self.complete(user, key_of(SMALL), SMALL)
        assert user.get(key_of(SMALL)) == SMALL

    def test_all_has_come_but_not_the_end(self, user: User) -> None:
        """The server may be content with that, since the hash is right."""
        writing = user.begin(key_of(SMALL))
        receive(MemoryStream(SMALL), writing.begin, len(SMALL))
        writing.abandon()
        self.put_again(user)
