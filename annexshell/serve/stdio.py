"""A session over standard input and output, as sshd gives them to us."""

from __future__ import annotations

import os
from _signal import SIGALRM, SIGHUP, SIGINT, SIGTERM, signal  # type: ignore[import-not-found]  # see disk.spawn

from annexshell.errors import AnnexshellError, ClosedByPeer, internal_error
from annexshell.stream.blocking import FdStream, Interrupts

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


ENDING = (SIGHUP, SIGINT, SIGTERM)  # signals that end a session


def take_stdio() -> FdStream:
    """The stream of the session. From now on standard input is empty and standard output goes to standard error, so
    that neither we nor a child can disturb the protocol; the signals that end a session end its next wait."""
    reading, writing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for fd in (reading, writing):
        os.set_blocking(fd, True)
    interrupts = Interrupts()
    for number in ENDING:
        signal(number, interrupts.handle)
    signal(SIGALRM, interrupts.alarm)
    return FdStream(reading, writing, interrupts=interrupts)


def serve_stdio(
    uuid: bytes,
    open_repository: Callable[[FdStream], Repository],
    report: Callable[[AnnexshellError], None],
    mode: str,
    log: OperationLog | None,
    takeover: Callable[[Key], TakeoverRequest],
    beyond: Callable[[FdStream], Beyond] | None = None,
) -> int:
    """Serves the client on standard input and output; returns the exit code of the process.

    The greeting goes out before the repository's modules are loaded: the client needs a round trip anyway. However the
    session ends, the repository is closed, which commits what it has recorded. `beyond` is as for Session.
    """
    stream = take_stdio()
    try:
        stream.write(b"AUTH-SUCCESS %b\n" % uuid)
        repository = open_repository(stream)
    except AnnexshellError as error:
        report(error)
        return error.exit_code
    code = 0
    try:
        from annexshell.serve.session import Session

        more = None if beyond is None else beyond(stream)
        Session(stream, repository, report, mode, log, takeover, more, _guard(stream, takeover)).serve()
    except ClosedByPeer:
        pass
    except AnnexshellError as error:
        code = error.exit_code
        report(error)
    except Exception as error:  # what has been recorded must be committed all the same
        code = 1
        report(internal_error(error))
    try:
        repository.close()
    except AnnexshellError as error:
        report(error)
        code = error.exit_code
    return code


def _guard(stream: FdStream, takeover: Callable[[Key], TakeoverRequest]) -> Guard:
    def guard(key: Key, upload: Callable[[], Any]) -> Any:
        from annexshell.serve.standstill import Standstill

        with Standstill(stream.interrupts, lambda: takeover(key)):
            return upload()

    return guard
