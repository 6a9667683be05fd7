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
    NodeFailed,
    NotPresent,
    PeerError,
    PeerGone,
    TooLate,
    TransferBusy,
    UnexpectedMessage,
    UnknownCommand,
)
from annexshell.model import access
from annexshell.repo.port import AlreadyHave
from annexshell.wire import grammar
from annexshell.wire.codec import encode, parse
from annexshell.wire.messages import MAX_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.model.key import Key
    from annexshell.repo.local.takeover import TakeoverRequest
    from annexshell.repo.port import Reading, Repository, Writing
    from annexshell.serve.beyond import Beyond
    from annexshell.serve.oplog import OperationLog
    from annexshell.stream.port import Stream
    from annexshell.wire.messages import Message

    Guard = Callable[[Key, Callable[[], Any]], Any]

_FATAL = (PeerGone, LineTooLong, Interrupted, ClosedByPeer)
_EXPECTED = (NotPresent, TooLate)  # ordinary answers, that nobody needs an explanation of
_SUCCESS, _FAILURE = b"SUCCESS\n", b"FAILURE\n"


class Session:
    """Serves one authenticated client until it goes.

    `mode` is needed only to refuse pushes of git, which no Repository sees. `log`, if there is one, gets each
    operation; `takeover` makes known that the client waits for another one that sends the same key, and `guard` ends an
    upload that keeps such clients waiting; `beyond` is what this connection can do besides.
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
        self._stream = stream
        self._repository = repository
        self._report = report
        self._mode = mode
        self._log = log
        self._takeover = takeover
        self._beyond, self._guard = beyond, guard
        self._version = 0
        self._sent_error = False
        self._moved = 0  # bytes of payload, and
        self._result = "done"  # a word about the outcome, for the log of operations

    def serve(self) -> None:
        """Answers requests until the client closes the connection. Raises whatever else ends the session."""
        while (line := self._stream.read_line()) is not None:
            forgiven, self._sent_error = self._sent_error, False
            try:
                self._answer(parse(line), forgiven)
            except _FATAL:
                raise
            except PeerError as error:
                self._error(error)
            except AnnexshellError as error:
                self._fail(error)

    def _answer(self, message: Message, forgiven: bool) -> None:
        if message.word == b"ERROR":
            # Clients answer our ERROR to a PUT with one of their own, old ones that to a REMOVE too, and mean to go on.
            if not forgiven:
                raise ClosedByPeer(f"the client ended the session: {message.args[0]!r}")
            return
        handler = _HANDLERS.get(message.word)
        if handler is None:
            raise UnexpectedMessage(grammar.UNEXPECTED)
        if self._log is None:
            handler(self, *message.args)
        else:
            self._moved, self._result = 0, "done"
            with self._log.operation(message, lambda: (self._moved, self._result)):
                handler(self, *message.args)

    def _error(self, error: AnnexshellError) -> None:
        from annexshell.model.show import for_client

        text = error.public if error.wire is None else error.wire.decode("utf-8", "surrogateescape")
        self._stream.write(encode(b"ERROR", for_client(text).encode()))

    def _fail(self, error: AnnexshellError) -> None:
        """Answers an operation that did not work."""
        if error.wire is not None:
            self._report(error)  # not every client shows the text of an ERROR
            self._error(error)
            self._sent_error = True
            return
        if not isinstance(error, _EXPECTED):
            self._report(error)
        worked = error.uuids if isinstance(error, NodeFailed) and self._version >= 2 else []
        self._stream.write(encode(b"FAILURE-PLUS", worked) if worked else _FAILURE)

    def _await(self, moment: grammar.Moment) -> Message | None:
        """The message that has to come now. For any other, the client gets an ERROR and the result is None, as it is
        for the client's own ERROR where it may give up. Raises PeerGone."""
        line = self._stream.read_line()
        if line is None:
            raise PeerGone("the client closed the connection in the middle of an operation")
        try:
            message = parse(line)
        except UnknownCommand:
            message = None
        if message is not None and moment.allows(message.word, self._version):
            return message
        if message is None or message.word != b"ERROR" or not moment.may_give_up:
            self._error(UnexpectedMessage(moment.complaint))
        return None

    def _set_version(self, number: int) -> None:
        self._version = min(number, MAX_VERSION)
        self._stream.write(encode(b"VERSION", self._version))

    def _bypass(self, uuids: list[bytes]) -> None:
        self._repository.bypass(uuids)

    def _timestamp(self) -> None:
        self._stream.write(encode(b"TIMESTAMP", self._repository.timestamp()))

    def _check_present(self, key: Key) -> None:
        try:
            present = self._repository.present(key)
        except AnnexshellError as error:
            # FAILURE would say that the content is certainly not here.
            self._report(error)
            self._error(error)
        else:
            self._result = "present" if present else "absent"
            self._stream.write(_SUCCESS if present else _FAILURE)

    def _lock_content(self, key: Key) -> None:
        held = self._repository.lock(key)
        try:
            self._stream.write(_SUCCESS)
            self._await(grammar.LOCKED)
        except (PeerGone, Interrupted, LineTooLong):
            # The client may have lost its connection without knowing yet, and still relies on the lock.
            held.abandon()
            raise
        try:
            held.release()
        except AnnexshellError as error:
            self._report(error)  # no answer to UNLOCKCONTENT is expected

    def _remove(self, key: Key) -> None:
        self._succeed(self._repository.remove(key))

    def _remove_before(self, before: int, key: Key) -> None:
        self._succeed(self._repository.remove(key, before))

    def _succeed(self, uuids: list[bytes]) -> None:
        self._stream.write(encode(b"SUCCESS-PLUS", uuids) if uuids and self._version >= 2 else _SUCCESS)

    # Content to the client

    def _get(self, offset: int, file: bytes, key: Key) -> None:
        if offset < 0:
            raise UnknownCommand("a negative offset")
        try:
            reading = self._repository.get(key, offset, file)
        except AnnexshellError as error:
            self._send_nothing(error)
            return
        delivered = False
        try:
            try:
                data = reading.read_small()
            except AnnexshellError as error:
                self._send_nothing(error)
                return
            self._send(reading, data)
            reply = self._await(grammar.received(self._version))
            delivered = reply is not None and reply.word.startswith(b"SUCCESS")
        finally:
            reading.close(delivered)

    def _send_nothing(self, error: AnnexshellError) -> None:
        """Answers a GET of an object that is not here or can't be read."""
        if error.wire is not None:
            raise error
        if not isinstance(error, _EXPECTED):
            self._report(error)
        self._result = "absent" if isinstance(error, NotPresent) else f"failed: {error}"
        self._stream.write(b"DATA 0\nINVALID\n" if self._version >= 1 else b"DATA 0\n")
        self._await(grammar.received(self._version))

    def _send(self, reading: Reading, data: bytes | None) -> None:
        header = encode(b"DATA", reading.length)
        if data is None:
            self._stream.write(header)
            try:
                self._moved = reading.send(self._stream)
            except _FATAL:
                raise
            except AnnexshellError as error:
                end = "; the connection has to be closed"
                raise PeerGone(f"{error}{end}", error.public + end) from error
            if self._moved != reading.length:
                reason = reading.failure or "the content became shorter while it was sent"
                raise PeerGone(f"{reason}; the connection has to be closed")
            header, data = b"", b""
        else:
            self._moved = len(data)
        validity = b""
        if self._version >= 1:
            validity = b"VALID\n" if self._is_valid(reading) else b"INVALID\n"
        if header or validity:
            self._stream.write(header + data + validity)

    def _is_valid(self, reading: Reading) -> bool:
        try:
            return reading.is_valid()
        except AnnexshellError as error:
            self._report(error)
            return False

    # Content from the client

    def _put(self, file: bytes, key: Key) -> None:
        try:
            result = self._begin(file, key)
        except _FATAL:
            raise
        except AnnexshellError as error:
            if error.wire is not None:
                raise
            self._report(error)
            self._refuse_upload(key)
            self._result = f"failed: {error}"
            return
        if isinstance(result, AlreadyHave):
            self._result = "already-have"
            plus = result.uuids and self._version >= 2
            self._stream.write(encode(b"ALREADY-HAVE-PLUS", result.uuids) if plus else b"ALREADY-HAVE\n")
            return
        store = self._upload(result) if self._guard is None else self._guard(key, lambda: self._upload(result))
        if store is not None:
            self._succeed(store())

    def _begin(self, file: bytes, key: Key) -> AlreadyHave | Writing:
        try:
            return self._repository.put(key, file)
        except TransferBusy:
            from annexshell.repo.local.turn import put_in_turn

            takeover = self._takeover and self._takeover(key)
            return put_in_turn(lambda: self._repository.put(key, file), self._stream.pause, takeover)

    def _upload(self, writing: Writing) -> Callable[[], list[bytes]] | None:
        """Receives the data; returns the function that stores it, or None if there is nothing to store. A failure in
        here abandons the writing; later failures do not."""
        announced = False
        try:
            self._stream.write(encode(b"PUT-FROM", writing.offset))
            message = self._await_data()
            if message is None:
                writing.abandon()
                return None
            if message.word == b"DATA-PRESENT":
                return writing.finish_present
            announced = True
            (self._moved,) = message.args
            valid = self._receive(writing, self._moved)
        except AnnexshellError as error:
            writing.abandon()
            if announced:
                self._last_words(error)
            raise
        return lambda: writing.finish(valid)

    def _receive(self, writing: Writing, length: int) -> bool | None:
        """Receives the data; returns what the client says about it, as `_validity` does."""
        from annexshell.relay.copy import receive

        try:
            receive(self._stream, writing.begin, length)
        except _FATAL:
            raise
        except AnnexshellError:
            self._validity()
            raise
        return self._validity()

    def _await_data(self) -> Message | None:
        message = self._await(grammar.UPLOAD)
        if message is not None and message.word == b"DATA" and message.args[0] < 0:
            self._error(UnexpectedMessage(grammar.UPLOAD.complaint))
            return None
        return message

    def _validity(self) -> bool | None:
        """Whether the client calls the data it sent valid; None if it can't say, or says something else."""
        if self._version < 1:
            return None
        try:
            message = self._await(grammar.VALIDITY)
        except PeerGone:  # all of the content is here, and may prove to be good
            return None
        return None if message is None else message.word == b"VALID"

    def _refuse_upload(self, key: Key) -> None:
        """Lets an upload fail in a way that every client and gateway copes with: claims to have all of it, so that
        nothing is sent, and then answers FAILURE."""
        self._stream.write(encode(b"PUT-FROM", key.size or 0))
        message = self._await_data()
        if message is not None:
            if message.word == b"DATA":
                from annexshell.relay.copy import discard

                if discard(self._stream, message.args[0]) < message.args[0]:
                    raise PeerGone("the connection was closed in the middle of the content")
                self._validity()
            self._stream.write(_FAILURE)

    def _last_words(self, error: AnnexshellError) -> None:
        """A client that closed only its sending side still reads that the upload failed."""
        if isinstance(error, PeerGone):
            try:
                self._stream.write(_FAILURE)
            except AnnexshellError:
                pass

    # What only some connections can do

    def _connect(self, service: bytes) -> None:
        if self._beyond is not None:
            self._beyond.connect(service)
            raise ClosedByPeer("git has ended, and with it the connection")
        if service == b"git-receive-pack":
            try:
                access.check(self._mode, access.PUSH)
            except AccessDenied as error:
                self._error(error)
                raise ClosedByPeer("a push was refused") from None
        raise PeerGone("relaying to git not supported on this connection")

    def _notify_change(self) -> None:
        if self._beyond is None:
            raise PeerGone("change notification not available")
        self._stream.write(encode(b"CHANGED", self._beyond.changed()))


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
