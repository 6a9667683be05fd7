"""annexshell p2phttp: the server of the HTTP API (upstream: Command/P2PHttp.hs)."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys

from annexshell.errors import AnnexshellError, BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from annexshell.serve.http.auth import Access

USAGE = """Serves git-annex repositories over HTTP, to clients with urls such as annex+http://HOST:PORT/git-annex/

Usage:
  annexshell p2phttp [options] [--directory=DIR]... [--chainfile=FILE]...
  annexshell p2phttp --help

Without --directory the repository in the current directory is served.

What is served:
  --directory=DIR       Serve the repositories below this directory. New ones are noticed. Can be repeated.

Where, unless systemd passes a socket:
  --port=NUMBER         The port; 0 takes a free one, and prints it [default: 9417].
  --bind=ADDRESS        The address; all of them if not given.
  --socket=PATH         A Unix socket in place of a port.
  --certfile=FILE       Certificate, for https.
  --privatekeyfile=FILE  Its private key.
  --chainfile=FILE      Certificates between that one and the authority's. Can be repeated.

  --base-path=PATH      What precedes /git-annex/ in urls, behind a proxy that passes it on.

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
  --cpus=NUMBER         Worker processes; one for each processor if not given.
  --proxyconnections=NUMBER  Idle connections to nodes and clusters that are kept [default: 16].
  --clusterjobs=NUMBER  Nodes of a cluster to work with at once for one request; all of them if not given.
  --lockedfiles=NUMBER  Contents that may be locked at once [default: 100].

What is told:
  --access-log=FILE     A line for each request, in the combined format; - is standard output. SIGHUP opens it anew.

  -h --help             Show this.
"""


# Seconds after which a thread that computes lets others run, who may have to answer somebody.
_SWITCH = 0.001
_NODE_THREADS = 64  # for nodes, any of which may hang


def run(options: dict[str, Any]) -> int:
    """Serves until a signal says to stop."""
    from annexshell.serve.http.workers import Workers
    from annexshell.serve.systemd import notifier

    access = _access(options)
    _tls(options)  # so that what is wrong with it is told here
    directories = [os.path.abspath(os.fsencode(path)) for path in options["--directory"]]
    _check_place(directories)
    listeners = _listen(options)
    try:
        _announce(listeners[0], options["--certfile"] is not None)

        parent = os.getpid()

        def serve(listener: socket.socket) -> int:
            return _serve(options, directories, access, listener, parent)

        return Workers(listeners, serve, _warn, notifier(os.environb)).run()
    finally:
        for listener in listeners:
            listener.close()
        if options["--socket"]:
            os.unlink(options["--socket"])


def _check_place(directories: list[bytes]) -> None:
    from annexshell.annexlog.git import Git
    from annexshell.annexlog.gitconfig import read_config
    from annexshell.annexlog.gitdir import locate
    from annexshell.cli.context import child_environment

    for directory in directories:
        if not os.path.isdir(directory):
            raise BadUsage(f"{os.fsdecode(directory)} is not a directory")
    if directories:
        return
    try:
        config = read_config(Git(locate(os.getcwdb()).git_dir, child_environment()))
    except (AnnexshellError, OSError):
        config = None
    if config is None or not config.get("annex.uuid"):
        raise BadUsage("there is no git-annex repository here; --directory tells where there are some")


def _serve(
    options: dict[str, Any], directories: list[bytes], access: Access, listener: socket.socket, parent: int
) -> int:
    """What a worker process does."""
    from annexshell.cli.context import child_environment
    from annexshell.green.tasks import Tasks, on_signal
    from annexshell.green.waiter import GeventWaiter, resolve
    from annexshell.repo.gateway import CONNECT_LIMIT, NODE_LIMIT
    from annexshell.serve.http.accesslog import AccessLog
    from annexshell.serve.http.directory import Repositories
    from annexshell.serve.http.handlers import Api
    from annexshell.serve.http.httpd import Limits, Server
    from annexshell.serve.http.served import Environment
    from annexshell.serve.http.workers import begin_work
    from annexshell.stream.port import Waiting

    sys.setswitchinterval(_SWITCH)
    _allow_many_files()
    jobs = _number(options, "--clusterjobs") if options["--clusterjobs"] else None
    locked_files = _number(options, "--lockedfiles")
    tasks = Tasks()
    waiting = Waiting(GeventWaiter(NODE_LIMIT), GeventWaiter(CONNECT_LIMIT), resolve)
    environment = Environment(
        child_environment(),
        tasks,
        Tasks(jobs, _NODE_THREADS),
        waiting,
        _warn,
        _number(options, "--proxyconnections"),
        locked_files,
        locked_files,
    )
    repositories = Repositories([] if directories else [os.getcwdb()], directories, environment)
    api = Api(repositories, access, _warn, _base_path(options))
    log = AccessLog(options["--access-log"]) if options["--access-log"] else None
    server = Server(api.handle, repositories, tasks, Limits(), _warn, _tls(options), log)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        on_signal(number, server.stop)
    begin_work()
    repositories.search()
    server.run(listener, parent)
    return 0


def _base_path(options: dict[str, Any]) -> bytes:
    path = (options["--base-path"] or "").strip("/")
    return os.fsencode(f"/{path}" if path else "")


def _allow_many_files() -> None:
    """As many file descriptors as the administrator allows: each connection needs some."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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


def _listen(options: dict[str, Any]) -> list[socket.socket]:
    """A socket for each worker."""
    from annexshell.serve.http.listening import listen_tcp, listen_unix, shared
    from annexshell.serve.systemd import passed_sockets

    workers = _number(options, "--cpus") if options["--cpus"] else len(os.sched_getaffinity(0))
    workers = max(1, workers)
    passed = passed_sockets(os.environb, os.getpid())
    if passed:
        return [listener for one in passed for listener in shared(one, workers)]
    try:
        if options["--socket"]:
            return listen_unix(options["--socket"], workers)
        return listen_tcp(options["--bind"], _number(options, "--port"), workers)
    except (OSError, OverflowError) as error:
        raise BadUsage(f"can't listen there: {error}") from None


def _announce(listener: socket.socket, secure: bool) -> None:
    if listener.family == socket.AF_UNIX:
        print(f"listening on {listener.getsockname()}", flush=True)
    else:
        print(f"listening on port {listener.getsockname()[1]}{' (https)' if secure else ''}", flush=True)
