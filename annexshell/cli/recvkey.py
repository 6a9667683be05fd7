"""recvkey: receives the content of a key through rsync's server mode (Command/RecvKey.hs). Used by gcrypt remotes."""

from __future__ import annotations

from annexshell.cli.sendkey import serve_rsync, single_key
from annexshell.errors import TransferBusy, VerificationFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation
    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.local.repository import LocalRepository
    from annexshell.repo.port import AlreadyHave, Writing


def run(invocation: Invocation) -> int:
    """Returns 0 if the content arrived and is that of the key, else 1. It is recorded in the journal, which the next
    session commits."""
    from annexshell.repo.local.opening import local_repository
    from annexshell.repo.local.repository import LocalWriting

    key = single_key(invocation)
    parts = invocation.parts()
    client = invocation.fields.get("remoteuuid", "").encode()
    writing = _begin(parts, local_repository(parts, client), key, client)
    assert isinstance(writing, LocalWriting)
    arrived = False
    try:
        arrived = serve_rsync(invocation, writing.lend_partial(), sender=False) == 0
    finally:
        if not arrived:
            writing.abandon()
    if not arrived:
        return 1
    try:
        writing.adopt_partial()
        writing.finish(None)
    except VerificationFailed as error:
        invocation.report(error)
        return 1
    return 0


def _begin(parts: Parts, repository: LocalRepository, key: Key, client: bytes) -> AlreadyHave | Writing:
    """Begins the upload even if the key is present: the client's rsync waits for ours in any case."""
    try:
        return repository.put(key, b"", even_if_present=True)
    except TransferBusy:
        from annexshell.repo.local.takeover import TakeoverNotes, TakeoverRequest
        from annexshell.repo.local.turn import put_in_turn
        from annexshell.stream.blocking import FdStream

        takeover = TakeoverRequest(TakeoverNotes(parts), (repository.uuid, key.serialized), client)
        return put_in_turn(lambda: repository.put(key, b"", even_if_present=True), FdStream(0, 1).pause, takeover)
