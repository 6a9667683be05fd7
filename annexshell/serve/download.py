"""GET: content on its way to the client."""

from __future__ import annotations

from annexshell.errors import AnnexshellError, NotPresent, PeerGone, UnknownCommand
from annexshell.serve.dialogue import EXPECTED, FATAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.repo.port import Reading, Repository
    from annexshell.serve.dialogue import Dialogue


def send_object(dialogue: Dialogue, repository: Repository, offset: int, file: bytes, key: Key) -> None:
    """Answers a GET, up to the client's word on what it has received."""
    if offset < 0:
        raise UnknownCommand("a negative offset")
    try:
        reading = repository.get(key, offset, file)
    except AnnexshellError as error:
        _send_nothing(dialogue, error)
        return
    delivered = False
    try:
        try:
            data = reading.read_small()
        except AnnexshellError as error:
            _send_nothing(dialogue, error)
            return
        _send(dialogue, reading, data)
        reply = dialogue.expect()
        delivered = reply is not None and reply.word.startswith(b"SUCCESS")
    finally:
        reading.close(delivered)


def _send_nothing(dialogue: Dialogue, error: AnnexshellError) -> None:
    """Answers a GET of an object that is not here or can't be read."""
    if error.wire is not None:
        raise error
    if not isinstance(error, EXPECTED):
        dialogue.report(error)
    dialogue.result = "absent" if isinstance(error, NotPresent) else f"failed: {error}"
    dialogue.stream.write(dialogue.form(b"DATA", 0) + _validity(dialogue, None))
    dialogue.expect()


def _validity(dialogue: Dialogue, reading: Reading | None) -> bytes:
    """What we say about what was sent, nothing in version 0; None was not read at all."""
    if dialogue.conversation.version < 1:
        return b""
    try:
        is_valid = reading is not None and reading.is_valid()
    except AnnexshellError as error:
        dialogue.report(error)
        is_valid = False
    return dialogue.form(b"VALID" if is_valid else b"INVALID")


def _send(dialogue: Dialogue, reading: Reading, data: bytes | None) -> None:
    """Sends the content, which is `data` if it is small: then in one write with what goes around it."""
    header = dialogue.form(b"DATA", reading.length)
    if data is not None:
        dialogue.moved = len(data)
        dialogue.stream.write(header + data + _validity(dialogue, reading))
        return
    dialogue.stream.write(header)
    try:
        dialogue.moved = reading.send(dialogue.stream)
    except FATAL:
        raise
    except AnnexshellError as error:
        end = "; the connection has to be closed"
        raise PeerGone(f"{error}{end}", error.public + end) from error
    if dialogue.moved != reading.length:
        reason = reading.failure or "the content became shorter while it was sent"
        raise PeerGone(f"{reason}; the connection has to be closed")
    validity = _validity(dialogue, reading)
    if validity:
        dialogue.stream.write(validity)
