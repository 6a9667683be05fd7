"""One client's session of the P2P protocol on one repository (upstream: P2P/Protocol.hs serveAuthed, P2P/Annex.hs).

Translates lines to calls of the Repository port and results to lines; it knows nothing of what is behind the port. A
failed operation is answered, and the session goes on. Only a broken connection, a client's ERROR or an endless line
ends it. The text of a failure goes to `report`, our standard error, which ssh shows to the user.
"""

from __future__ import annotations

from annexshell.errors import (
    AccessDenied,
    AnnexshellError,
    ClosedByPeer,
    Interrupted,
    LineTooLong,
    PeerError,
    PeerGone,
)
from annexshell.model import access
from annexshell.serve.dialogue import FATAL, Dialogue
from annexshell.serve.download import send_object
from annexshell.serve.upload import PutHandler
from annexshell.wire.messages import MAX_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.model.key import Key
    from annexshell.repo.local.takeover import TakeoverRequest
    from annexshell.repo.port import Repository
    from annexshell.serve.beyond import Beyond
    from annexshell.serve.oplog import OperationLog
    from annexshell.serve.upload import Guard
    from annexshell.stream.port import Stream


class Session:
    """Serves one authenticated client until it goes.

    `mode` is needed only to refuse pushes of git, which no Repository sees. `log`, if there is one, gets each
    operation; for `takeover` and `guard` see `PutHandler`; `beyond` is what this connection can do besides.
    """

    def __init__(
        self,
        stream: Stream,
        repository: Repository,
        report: Callable[[AnnexshellError], None],
        mode: str = access.READ_WRITE,
        log: OperationLog | None = None,
        takeover: Callable[[Key], TakeoverRequest] | None = None,
        beyond: Beyond | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._dialogue = Dialogue(stream, report)
        self._repository = repository
        self._puts = PutHandler(self._dialogue, repository, takeover, guard)
        self._mode = mode
        self._log = log
        self._beyond = beyond

    def serve(self) -> None:
        """Answers requests until the client closes the connection. Raises whatever else ends the session."""
        dialogue = self._dialogue
        while (line := dialogue.stream.read_line()) is not None:
            try:
                self._answer(line)
            except FATAL:
                raise
            except PeerError as error:
                dialogue.error(error)
            except AnnexshellError as error:
                dialogue.fail(error)

    def _answer(self, line: bytes) -> None:
        dialogue = self._dialogue
        message = dialogue.hear_request(line)
        if message is None:
            return
        handler = _HANDLERS[message.word]
        if self._log is None:
            handler(self, *message.args)
        else:
            with self._log.operation(message, lambda: (dialogue.moved, dialogue.result)):
                handler(self, *message.args)

    def _set_version(self, number: int) -> None:
        version = min(number, MAX_VERSION)
        self._dialogue.say(b"VERSION", version)
        self._dialogue.conversation.version = version

    def _bypass(self, uuids: list[bytes]) -> None:
        self._repository.bypass(uuids)

    def _timestamp(self) -> None:
        self._dialogue.say(b"TIMESTAMP", self._repository.timestamp())

    def _check_present(self, key: Key) -> None:
        dialogue = self._dialogue
        try:
            present = self._repository.present(key)
        except AnnexshellError as error:
            # FAILURE would say that the content is certainly not here.
            dialogue.report(error)
            dialogue.error(error)
        else:
            dialogue.result = "present" if present else "absent"
            dialogue.say(b"SUCCESS" if present else b"FAILURE")

    def _lock_content(self, key: Key) -> None:
        held = self._repository.lock(key)
        try:
            self._dialogue.say(b"SUCCESS")
            self._dialogue.expect()
        except (PeerGone, Interrupted, LineTooLong):
            # The client may have lost its connection without knowing yet, and still relies on the lock.
            held.abandon()
            raise
        try:
            held.release()
        except AnnexshellError as error:
            self._dialogue.report(error)  # no answer to UNLOCKCONTENT is expected

    def _remove(self, key: Key) -> None:
        self._dialogue.say_plus(b"SUCCESS", self._repository.remove(key))

    def _remove_before(self, before: int, key: Key) -> None:
        self._dialogue.say_plus(b"SUCCESS", self._repository.remove(key, before))

    def _get(self, offset: int, file: bytes, key: Key) -> None:
        send_object(self._dialogue, self._repository, offset, file, key)

    def _put(self, file: bytes, key: Key) -> None:
        self._puts.answer(file, key)

    def _connect(self, service: bytes) -> None:
        if self._beyond is not None:
            self._beyond.connect(service)
            raise ClosedByPeer("git has ended, and with it the connection")
        if service == b"git-receive-pack":
            try:
                access.check(self._mode, access.PUSH)
            except AccessDenied as error:
                self._dialogue.error(error)
                raise ClosedByPeer("a push was refused") from None
        raise PeerGone("relaying to git not supported on this connection")

    def _notify_change(self) -> None:
        if self._beyond is None:
            raise PeerGone("change notification not available")
        self._dialogue.say(b"CHANGED", self._beyond.changed())


# One for each request of the grammar
_HANDLERS: dict[bytes, Callable[..., Any]] = {
    b"VERSION": Session._set_version,
    b"BYPASS": Session._bypass,
    b"GETTIMESTAMP": Session._timestamp,
    b"CHECKPRESENT": Session._check_present,
    b"LOCKCONTENT": Session._lock_content,
    b"REMOVE": Session._remove,
    b"REMOVE-BEFORE": Session._remove_before,
    b"GET": Session._get,
    b"PUT": Session._put,
    b"CONNECT": Session._connect,
    b"NOTIFYCHANGE": Session._notify_change,
}
