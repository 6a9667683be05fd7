"""PUT: content on its way from the client."""

from __future__ import annotations

from annexshell.errors import AnnexshellError, PeerGone, TransferBusy, UnexpectedMessage
from annexshell.repo.port import AlreadyHave
from annexshell.serve.dialogue import FATAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.model.key import Key
    from annexshell.repo.local.takeover import TakeoverRequest
    from annexshell.repo.port import Repository, Writing
    from annexshell.serve.dialogue import Dialogue
    from annexshell.wire.messages import Message

    Guard = Callable[[Key, Callable[[], Any]], Any]


class PutHandler:
    """Answers each PUT of a session. `takeover` makes known that the client waits for another one that sends the same
    key, and `guard` ends an upload that keeps such clients waiting."""

    def __init__(
        self,
        dialogue: Dialogue,
        repository: Repository,
        takeover: Callable[[Key], TakeoverRequest] | None,
        guard: Guard | None,
    ) -> None:
        self._dialogue = dialogue
        self._repository = repository
        self._takeover = takeover
        self._guard = guard

    def answer(self, file: bytes, key: Key) -> None:
        """Answers a PUT, up to its outcome."""
        dialogue = self._dialogue
        try:
            result = self._begin(file, key)
        except FATAL:
            raise
        except AnnexshellError as error:
            if error.wire is not None:
                raise
            dialogue.report(error)
            self._refuse(key)
            dialogue.result = f"failed: {error}"
            return
        if isinstance(result, AlreadyHave):
            dialogue.result = "already-have"
            dialogue.say_plus(b"ALREADY-HAVE", result.uuids)
            return
        store = self._receive(result) if self._guard is None else self._guard(key, lambda: self._receive(result))
        if store is not None:
            dialogue.say_plus(b"SUCCESS", store())

    def _begin(self, file: bytes, key: Key) -> AlreadyHave | Writing:
        try:
            return self._repository.put(key, file)
        except TransferBusy:
            from annexshell.repo.local.turn import put_in_turn

            takeover = self._takeover and self._takeover(key)
            return put_in_turn(lambda: self._repository.put(key, file), self._dialogue.stream.pause, takeover)

    def _receive(self, writing: Writing) -> Callable[[], list[bytes]] | None:
        """Receives the data; returns the function that stores it, or None if there is nothing to store. A failure in
        here abandons the writing; later failures do not."""
        dialogue = self._dialogue
        announced = False
        try:
            dialogue.say(b"PUT-FROM", writing.offset)
            message = self._expect_data()
            if message is None:
                writing.abandon()
                return None
            if message.word == b"DATA-PRESENT":
                return writing.finish_present
            announced = True
            (dialogue.moved,) = message.args
            valid = self._receive_data(writing, dialogue.moved)
        except AnnexshellError as error:
            writing.abandon()
            if announced:
                dialogue.last_words(error)
            raise
        return lambda: writing.finish(valid)

    def _receive_data(self, writing: Writing, length: int) -> bool | None:
        """Receives the data; returns what the client says about it, as `_validity` does."""
        from annexshell.relay.copy import receive

        try:
            receive(self._dialogue.stream, writing.begin, length)
        except FATAL:
            raise
        except AnnexshellError:
            self._validity()
            raise
        return self._validity()

    def _expect_data(self) -> Message | None:
        dialogue = self._dialogue
        complaint = dialogue.conversation.complaint
        message = dialogue.expect()
        if message is not None and message.word == b"DATA" and message.args[0] < 0:
            dialogue.error(UnexpectedMessage(complaint))
            return None
        return message

    def _validity(self) -> bool | None:
        """Whether the client calls the data it sent valid; None if it can't say, or says something else."""
        if self._dialogue.conversation.version < 1:
            return None
        try:
            message = self._dialogue.expect()
        except PeerGone:  # all of the content is here, and may prove to be good
            self._dialogue.conversation.go_without()
            return None
        return None if message is None else message.word == b"VALID"

    def _refuse(self, key: Key) -> None:
        """Lets an upload fail in a way that every client and gateway copes with: claims to have all of it, so that
        nothing is sent, and then answers FAILURE."""
        dialogue = self._dialogue
        dialogue.say(b"PUT-FROM", key.size or 0)
        message = self._expect_data()
        if message is None:
            return
        if message.word == b"DATA":
            from annexshell.relay.copy import discard

            if discard(dialogue.stream, message.args[0]) < message.args[0]:
                raise PeerGone("the connection was closed in the middle of the content")
            self._validity()
        dialogue.say(b"FAILURE")
