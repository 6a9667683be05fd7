"""annexshell p2phttp: the server of the HTTP API (upstream: Command/P2PHttp.hs)."""

from __future__ import annotations

import os
import socket

from annexshell.errors import AnnexshellError, BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.cli.admin.options import Options
    from annexshell.cli.admin.serving.p2phttp.options import ServerOptions
    from annexshell.serve.http.reporting.scoreboard import Slot

USAGE = """Serves git-annex repositories over HTTP, to clients with urls such as annex+http://HOST:PORT/git-annex/

Usage:
  annexshell p2phttp [options] [--directory=DIR]... [--chainfile=FILE]... [--trust-proxy=ADDRESS]...
                     [--cors-origin=ORIGIN]...
  annexshell p2phttp --help

Without --directory the repository in the current directory is served.

What is served:
  --directory=DIR       Serve the repositories below this directory. New ones are noticed. Can be repeated.

  --git                 Let git clone, fetch and push at the same urls, for who may by the rules, and tell git-annex
                        there where the contents are.
  --browse              Show browsers the files of repositories at the same urls, for who may read and clone them.

Where, unless systemd passes a socket:
  --port=NUMBER         The port; 0 takes a free one, and prints it [default: 9417].
  --bind=ADDRESS        The address to listen on; all of them if not given.
  --socket=PATH         A Unix socket in place of a port.
  --socket-mode=MODE    Its permissions [default: 700].
  --certfile=FILE       Certificate, for https.
  --privatekeyfile=FILE  Its private key.
  --chainfile=FILE      Certificates between that one and the authority's. Can be repeated.

  --base-path=PREFIX    The prefix of /git-annex/ in urls, if a proxy in front passes it on.
  --trust-proxy=ADDRESS  Believe what this address or network (10.0.0.0/8) says about clients in X-Forwarded-For and
                        X-Forwarded-Proto; unix stands for whoever uses a Unix socket. Can be repeated.
  --sendfile-header=NAME  Have proxies that --trust-proxy names send objects from disk: X-Accel-Redirect:/prefix for
                        nginx, which finds them by the prefix and their path, or X-Sendfile.
  --cors-origin=ORIGIN  Let scripts of pages from there (https://example.org) use this server; * for all pages. Can be
                        repeated. Other pages can't change anything, with or without this.

Who may do what:
  --authenv             Users log in with the passwords in GIT_ANNEX_P2PHTTP_PASSWORD_user, only over https.
                        GIT_ANNEX_P2PHTTP_PERMISSIONS_user may be readonly or appendonly.
  --htpasswd=FILE       Users log in with the passwords in this file, made by htpasswd -B, only over https.
  --authenv-http        Users may also log in over http, with passwords of either kind.
  --unauth-readonly     Anybody may read.
  --unauth-appendonly   Anybody may read and add.
  --unauth-nolocking    Nobody may lock without logging in.
  --wideopen            Anybody may do everything.
  --access=FILE         Who may do what in which repository, in place of the four above. README.md has an example.

FILE of --htpasswd and of --access is read again when it changes.

How much at once:
  -J --jobs=NUMBER      How many operations of requests use disks at once (to hash, write, flush, remove); further ones
                        wait their turn. Waiting for clients, downloads and nodes don't count; no limit if not given.
  --cpus=NUMBER         Worker processes; one for each processor if not given.
  --proxyconnections=NUMBER  Idle connections to nodes and clusters to keep [default: 16].
  --clusterjobs=NUMBER  Nodes of a cluster that one request uses at once; all of them if not given.
  --git-jobs=NUMBER     Programs of git's that run at once, with --git or --browse; further ones wait their turn.
                        Two for each processor if not given.
  --lockedfiles=NUMBER  Keys that may be locked at once in a repository [default: 100].
  --clientlocks=NUMBER  Keys that may be locked at once for one client address; half of those if not given.
  --max-size=SIZE       The most that each repository may hold, such as 100GB. Nodes behind it have limits of their own.
  --max-size-user=SIZE  The most that each user may store in each repository; all who don't log in count as one.
  --stall=SECONDS       How long a transfer may stand still before it is ended [default: 300].
  --min-rate=BYTES      Bytes per second that a client has to average over that time; 0 for any [default: 100].
  --expire-partials=AGE  Delete partial uploads that nobody has continued for this long (12h, 30d, never)
                        [default: 14d].

Logs and pages:
  --access-log=FILE     A line for each request; - is standard output. SIGHUP reopens it.
  --access-log-format=FORM  combined, which tools for web servers read, or json, which tells more [default: combined].
  --metrics=PLACE       Metrics for Prometheus at http://PLACE/metrics, for whoever can connect there. PLACE is a port
                        of this machine, or ADDRESS:PORT.
  --status-page         A page for browsers at /, about the repositories that the visitor may read.

  -h --help             Show this.
"""


def run(options: Options) -> int:
    """Serves until a signal ends it. What is wrong with the options is reported before any worker starts."""
    _require_parser()
    from annexshell.cli.admin.serving.p2phttp.messages import warn_of_root
    from annexshell.cli.admin.serving.p2phttp.options import ServerOptions
    from annexshell.cli.admin.serving.p2phttp.values import Given

    parsed = ServerOptions(Given(options), os.environb)
    _require_repositories(parsed.directories)
    if options.flag("--git"):
        from annexshell.cli.admin.serving.p2phttp.git import require_http_backend

        require_http_backend()
    warn_of_root(parsed.directories)
    return _serve(parsed)


def _serve(options: ServerOptions) -> int:
    from annexshell.cli.admin.serving.p2phttp.messages import warn, warn_of_wideopen
    from annexshell.cli.admin.serving.p2phttp.worker import Shared, serve
    from annexshell.serve.http.reporting.counting import new_scoreboard
    from annexshell.serve.http.workers import Workers
    from annexshell.serve.systemd import notifier, watchdog_seconds

    parent = os.getpid()
    log = options.reports.open_log()  # a check; each worker opens its own
    if log is not None:
        log.close()
    metrics = options.reports.listen_for_metrics()
    listeners, socket_file = options.listening.listen(os.environb)
    shared = Shared(new_scoreboard(), metrics, parent, watchdog_seconds(os.environb, parent))
    try:
        if options.access.is_wideopen:
            warn_of_wideopen(listeners)
        _announce(listeners[0], options.listening.certificate is not None, metrics)

        def work(listener: socket.socket, slot: Slot | None, ready: Callable[[], None]) -> int:
            return serve(options, shared, listener, slot, ready)

        return Workers(listeners, shared.board, work, warn, notifier(os.environb), shared.watchdog).run()
    finally:
        if metrics is not None:
            metrics.close()
        for listener in listeners:
            listener.close()
        socket_file.remove()


def _require_parser() -> None:
    """Raises BadUsage if no library that reads HTTP is installed."""
    try:
        import annexshell.serve.http.http1.parsing  # noqa: F401
    except ModuleNotFoundError:
        raise BadUsage(
            "this needs h11 (Debian has it as python3-h11), or httptools 0.6.4 or newer (PyPI has it)"
        ) from None


def _require_repositories(directories: list[bytes]) -> None:
    """Raises BadUsage if there is nothing to serve."""
    from annexshell.cli.context import child_environment
    from annexshell.git.config import read_config
    from annexshell.git.paths import locate
    from annexshell.git.program import Git

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
        raise BadUsage("there is no git-annex repository here; say where there are some with --directory")


def _announce(listener: socket.socket, secure: bool, metrics: socket.socket | None) -> None:
    """Says where the server listens, on standard output, where programs that start one look for the port."""
    if listener.family == socket.AF_UNIX:
        print(f"listening on {listener.getsockname()}", flush=True)
    else:
        print(f"listening on port {listener.getsockname()[1]}{' (https)' if secure else ''}", flush=True)
    if metrics is not None:
        print(f"metrics on port {metrics.getsockname()[1]}", flush=True)
