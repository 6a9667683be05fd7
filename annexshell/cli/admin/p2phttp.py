"""annexshell p2phttp: the server of the HTTP API (upstream: Command/P2PHttp.hs)."""

from __future__ import annotations

import os
import signal
import socket
import sys

from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from annexshell.serve.http.auth import Access
    from annexshell.serve.http.directory import Repositories
    from annexshell.serve.http.httpd import Server

USAGE = """Serves git-annex repositories over HTTP, to clients with urls such as annex+http://HOST:PORT/git-annex/

Usage:
  annexshell p2phttp [options] [--directory=DIR]... [--chainfile=FILE]...
  annexshell p2phttp --help

Without --directory the repository in the current directory is served.

What is served:
  --directory=DIR       Serve the repositories below this directory. New ones are noticed. Can be repeated.

Where:
  --port=NUMBER         The port; 0 takes a free one, and prints it [default: 9417].
  --bind=ADDRESS        The address; all of them if not given.
  --socket=PATH         A Unix socket in place of a port.
  --certfile=FILE       Certificate, for https.
  --privatekeyfile=FILE  Its private key.
  --chainfile=FILE      Certificates between that one and the authority's. Can be repeated.

Who may do what:
  --authenv             Users log in with the passwords in GIT_ANNEX_P2PHTTP_PASSWORD_user, over https.
                        GIT_ANNEX_P2PHTTP_PERMISSIONS_user may be readonly or appendonly.
  --authenv-http        The same, over http too.
  --unauth-readonly     Anybody may read.
  --unauth-appendonly   Anybody may read and add.
  --unauth-nolocking    Nobody may lock contents without logging in.
  --wideopen            Anybody may do everything.

How much at once:
  -J --jobs=NUMBER      Nothing waits for a free job here; accepted for compatibility.
  --cpus=NUMBER         Worker processes; accepted for compatibility.
  --proxyconnections=NUMBER  Idle connections to nodes that are kept [default: 16].
  --clusterjobs=NUMBER  Nodes of a cluster to work with at once for one request; all of them if not given.
  --lockedfiles=NUMBER  Contents that may be locked at once [default: 100].

  -h --help             Show this.
"""


def run(options: dict[str, Any]) -> int:
    """Serves until a signal says to stop."""
    access = _access(options)
    tls = _tls(options)
    server, repositories = _server(options, access, tls)
    repositories.search()
    if not repositories.all and not options["--directory"]:
        raise BadUsage("there is no git-annex repository here; --directory tells where there are some")
    listener = _listen(options)
    try:
        _announce(listener, tls is not None)
        _stop_at_signals(server)
        server.run(listener)
    finally:
        listener.close()
        if options["--socket"]:
            os.unlink(options["--socket"])
    return 0


def _server(options: dict[str, Any], access: Access, tls: ssl.SSLContext | None) -> tuple[Server, Repositories]:
    from annexshell.cli.context import child_environment
    from annexshell.green.tasks import Tasks
    from annexshell.green.waiter import GeventWaiter
    from annexshell.repo.gateway import NODE_LIMIT
    from annexshell.serve.http.directory import Repositories
    from annexshell.serve.http.handlers import Api
    from annexshell.serve.http.httpd import Limits, Server
    from annexshell.serve.http.served import Environment

    jobs = _number(options, "--clusterjobs") if options["--clusterjobs"] else None
    locked_files = _number(options, "--lockedfiles")
    tasks = Tasks()
    environment = Environment(
        child_environment(), tasks, Tasks(jobs), GeventWaiter(NODE_LIMIT), _warn, locked_files, locked_files
    )
    directories = [os.path.abspath(os.fsencode(path)) for path in options["--directory"]]
    repositories = Repositories([] if directories else [os.getcwdb()], directories, environment)
    api = Api(repositories, access, _warn)
    return Server(api.handle, repositories, tasks, Limits(), _warn, tls), repositories


def _warn(text: str) -> None:
    print(f"annexshell p2phttp: {text}", file=sys.stderr, flush=True)


def _number(options: dict[str, Any], name: str) -> int:
    try:
        number = int(options[name])
    except ValueError:
        number = -1
    if number < 0:
        raise BadUsage(f"{name} has to be a number, not {options[name]!r}")
    return number


def _access(options: dict[str, Any]) -> Access:
    from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE
    from annexshell.serve.http.auth import Access, users_from_environment

    over_http = options["--authenv-http"]
    anonymous = None
    for name, mode in (
        ("--wideopen", READ_WRITE),
        ("--unauth-appendonly", APPEND_ONLY),
        ("--unauth-readonly", READ_ONLY),
    ):
        if options[name]:
            anonymous = mode
            break
    return Access(
        anonymous,
        not options["--unauth-nolocking"],
        users_from_environment(os.environb),
        over_tls=options["--authenv"],
        over_http=over_http,
    )


def _tls(options: dict[str, Any]) -> ssl.SSLContext | None:
    certificate, key = options["--certfile"], options["--privatekeyfile"]
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise BadUsage("https needs both --certfile and --privatekeyfile")
    from annexshell.green.sockets import tls_context

    try:
        return tls_context(certificate, key, options["--chainfile"])
    except (OSError, ValueError) as error:
        raise BadUsage(f"the certificate or its key can't be used: {error}") from None


def _listen(options: dict[str, Any]) -> socket.socket:
    from annexshell.green.sockets import listen_tcp, listen_unix

    try:
        if options["--socket"]:
            return listen_unix(options["--socket"])
        return listen_tcp(options["--bind"], _number(options, "--port"))
    except (OSError, OverflowError) as error:
        raise BadUsage(f"can't listen there: {error}") from None


def _announce(listener: socket.socket, secure: bool) -> None:
    if listener.family == socket.AF_UNIX:
        print(f"listening on {listener.getsockname()}", flush=True)
    else:
        print(f"listening on port {listener.getsockname()[1]}{' (https)' if secure else ''}", flush=True)


def _stop_at_signals(server: Server) -> None:
    from annexshell.green.sockets import on_signal

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        on_signal(number, server.stop)
