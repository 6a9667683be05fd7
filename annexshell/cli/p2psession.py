"""A session for a client from a P2P network, in a process of its own: as over ssh, and git besides."""

from __future__ import annotations

import os
import time

from annexshell.cli.context import Invocation
from annexshell.cli.p2pstdio import log_of, opener, takeover_requests
from annexshell.errors import AnnexshellError
from annexshell.git.program import with_config
from annexshell.git.serving import settings
from annexshell.git.watching import watch_refs
from annexshell.model import access
from annexshell.model.ids import is_cluster_uuid
from annexshell.repo.initialization.smudging import bypassing
from annexshell.serve.sockets.gitservice import Running, SocketGitService
from annexshell.serve.stdio import serve_stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from annexshell.serve.sockets.tokens import Grant
    from annexshell.stream.blocking import FdStream
    from annexshell.stream.port import Waiter

_IDLE = 86400.0  # seconds without a word after which a client has to connect again


def serve(directory: bytes, connection: socket.socket, client: bytes, grant: Grant) -> int:
    """Serves a client of a repository, as its token allows; returns the exit code of the process."""
    since = time.time_ns()
    for fd in (0, 1):
        os.dup2(connection.fileno(), fd)
    connection.close()
    words = ["--uuid", os.fsdecode(grant.uuid)] if grant.uuid else []
    invocation = Invocation("p2pstdio", os.fsdecode(directory), words)
    invocation.program = "annexshell p2p"
    try:
        invocation.open()
        invocation.check_uuid()
        open_repository = opener(invocation, client, grant.mode)
        log, takeover = log_of(invocation, client), takeover_requests(invocation, client)
    except AnnexshellError as error:
        invocation.report(error)
        return error.exit_code

    def beyond(stream: FdStream) -> SocketGitService:
        waiter = _waiter(stream, invocation.expected_uuid, invocation.uuid)
        stream.use(waiter)
        return SocketGitService(
            stream,
            waiter,
            lambda service: _start_git(service, invocation, grant.mode),
            lambda: watch_refs(invocation.paths.common_dir, invocation.git),
            since,
        )

    return serve_stdio(invocation.expected_uuid, open_repository, invocation.report, grant.mode, log, takeover, beyond)


def _waiter(stream: FdStream, uuid: bytes, own: bytes) -> Waiter:
    """Waits for the client as those of the same repository do over ssh, but not for ever."""
    if uuid != own and is_cluster_uuid(uuid):
        from annexshell.green.waiter import GeventWaiter

        return GeventWaiter(_IDLE, stream.interrupts)
    from annexshell.stream.polling import PollWaiter

    return PollWaiter(_IDLE, stream.interrupts)


def _start_git(service: bytes, invocation: Invocation, mode: str) -> Running:
    """Starts a service of git on the repository, as git-shell does. Raises AccessDenied, ChildFailed."""
    from annexshell.disk.spawn import pipes, spawn
    from annexshell.repo.initialization.settling import settle

    is_push = service == b"git-receive-pack"
    if is_push and mode == access.READ_ONLY:
        access.check(mode, access.PUSH)
    own = {name: value for name, value in invocation.git.env.items() if name != b"GIT_PROTOCOL"}  # of who started us
    bypassed = bypassing(own)
    env = with_config(bypassed, settings(mode, invocation.config).items())
    directory = invocation.paths.git_dir
    if is_push and bypassed is not own:
        settle(directory, bypassed, invocation.warn)
    (child_in, to_child), (from_child, child_out) = pipes(2)
    try:
        pid = spawn(["git", service.removeprefix(b"git-"), directory], env, stdin=child_in, stdout=child_out)
    except AnnexshellError:
        os.close(to_child)
        os.close(from_child)
        raise
    finally:
        os.close(child_in)
        os.close(child_out)
    return Running(pid, to_child, from_child)
