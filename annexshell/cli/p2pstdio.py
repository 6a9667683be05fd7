"""p2pstdio: a session of the P2P protocol over standard input and output (Command/P2PStdIO.hs)."""

from __future__ import annotations

import os
from _signal import SIGALRM  # type: ignore[import-not-found]  # see disk.spawn

from annexshell.errors import BadUsage, NotARepository
from annexshell.model.ids import is_cluster_uuid
from annexshell.serve.stdio import ENDING, serve_stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.cli.context import Invocation
    from annexshell.model.key import Key
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.local.takeover import TakeoverRequest
    from annexshell.repo.port import Repository
    from annexshell.serve.oplog import OperationLog
    from annexshell.stream.blocking import FdStream


def run(invocation: Invocation) -> int:
    """Serves a session. Its only parameter is the client's uuid."""
    from annexshell.cli.context import access_mode

    if len(invocation.words) != 1:
        raise BadUsage("missing UUID parameter")
    client = os.fsencode(invocation.words[0])  # any text, as with the original
    mode = access_mode()
    return serve_stdio(
        invocation.expected_uuid,
        opener(invocation, client, mode),
        invocation.report,
        mode,
        log_of(invocation, client),
        takeover_requests(invocation, client),
    )


def opener(invocation: Invocation, client: bytes, mode: str) -> Callable[[FdStream], Repository]:
    """What opens the repository that a client wants, for a stream of its session. Raises NotARepository."""
    uuid = invocation.expected_uuid
    if not invocation.uuid:
        raise NotARepository("the repository has no annex.uuid, so that no session is possible")

    def open_repository(stream: FdStream) -> Repository:
        repository: Repository
        if uuid == invocation.uuid:
            from annexshell.repo.local.opening import local_repository

            repository = local_repository(invocation.parts(), client)
        elif is_cluster_uuid(uuid):
            repository = _open_cluster(invocation.gateway(), uuid, stream)
        else:
            repository = _open_node(invocation.gateway(), uuid, stream)
        if mode != "read-write":
            from annexshell.repo.guard import GuardedRepository

            repository = GuardedRepository(repository, mode)
        return repository

    return open_repository


def takeover_requests(invocation: Invocation, client: bytes) -> Callable[[Key], TakeoverRequest]:
    """What makes known that the client waits for another one that sends the same key."""

    def takeover(key: Key) -> TakeoverRequest:
        from annexshell.repo.local.takeover import TakeoverNotes, TakeoverRequest

        return TakeoverRequest(TakeoverNotes(invocation.parts()), (invocation.expected_uuid, key.serialized), client)

    return takeover


def _open_node(gateway: Gateway, uuid: bytes, stream: FdStream) -> Repository:
    from annexshell.repo.gateway.gateway import CONNECT_LIMIT, NODE_LIMIT, open_node
    from annexshell.stream.polling import PollWaiter
    from annexshell.stream.port import Waiting

    interrupts = stream.interrupts  # a signal that ends the session must also end waiting for the node
    interrupts.is_shared = True
    waiting = Waiting(PollWaiter(NODE_LIMIT, interrupts), PollWaiter(CONNECT_LIMIT, interrupts))
    return open_node(gateway, uuid, waiting)


def _open_cluster(gateway: Gateway, uuid: bytes, stream: FdStream) -> Repository:
    from annexshell.green.tasks import Tasks, on_signal
    from annexshell.green.waiter import GeventWaiter, resolve
    from annexshell.repo.gateway.gateway import CONNECT_LIMIT, NODE_LIMIT, open_cluster
    from annexshell.stream.port import Waiting

    stream.use(GeventWaiter(interrupts=stream.interrupts))
    for number in ENDING:
        on_signal(number, stream.interrupts.note)
    on_signal(SIGALRM, stream.interrupts.alarm)
    waiting = Waiting(GeventWaiter(NODE_LIMIT), GeventWaiter(CONNECT_LIMIT), resolve)
    return open_cluster(gateway, uuid, waiting, Tasks(gateway.configuration.jobs()))


def log_of(invocation: Invocation, client: bytes, token: bytes = b"") -> OperationLog | None:
    """The log of operations, None if there is to be none. `token` is what let the client in, as people call it."""
    target = os.environb.get(b"GIT_ANNEX_SHELL_LOG") or invocation.config.get("annexshell.log")
    if not target:
        return None
    from annexshell.disk.perms import Perms
    from annexshell.serve.oplog import PRIVATE, SHARED, OperationLog, who

    is_shared = Perms(invocation.config.get("core.sharedrepository"), False, False).is_shared
    identity = who(invocation.git.env, client, invocation.expected_uuid, token)
    return OperationLog(target, identity, invocation.warn, SHARED if is_shared else PRIVATE)
