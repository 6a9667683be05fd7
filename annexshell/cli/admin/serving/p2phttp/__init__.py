"""annexshell p2phttp: the server of the HTTP API (upstream: Command/P2PHttp.hs)."""

from __future__ import annotations

import os
import socket

from annexshell.cli.admin.serving.p2phttp.access import read_access, read_proxies
from annexshell.cli.admin.serving.p2phttp.options import (
    check_limits,
    check_parser,
    check_place,
    listen,
    read_origins,
    read_sendfile,
    read_tls,
    warn,
    warn_of_root,
    warn_of_wideopen,
)
from annexshell.cli.admin.serving.p2phttp.watching import Shared, listen_for_metrics, read_log
from annexshell.cli.admin.serving.p2phttp.worker import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.cli.admin.options import Options
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
  --git-jobs=NUMBER     Programs of git's that run at once, with --git; further ones wait their turn. Two for each
                        processor if not given.
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


def run(given: Options) -> int:
    """Serves until a signal ends it. What is wrong with the options is reported before any worker starts."""
    from annexshell.serve.http.reporting.counting import new_scoreboard
    from annexshell.serve.http.workers import Workers
    from annexshell.serve.systemd import notifier, watchdog_seconds

    options = given.values
    parent = os.getpid()
    check_parser()
    check_limits(options)
    read_origins(options)
    read_sendfile(options)
    read_tls(options)  # workers read it again; mistakes are to be reported here, once
    read_proxies(options)
    directories = [os.path.abspath(os.fsencode(path)) for path in given.texts("--directory")]
    check_place(directories)
    warn_of_root(directories)
    access = read_access(options, directories)
    log = read_log(options)  # a check; each worker opens its own
    if log is not None:
        log.close()
    metrics = listen_for_metrics(options)
    listeners, socket_file = listen(options)
    board, watchdog = new_scoreboard(), watchdog_seconds(os.environb, parent)
    try:
        warn_of_wideopen(options, listeners)
        _announce(listeners[0], options["--certfile"] is not None)
        if metrics is not None:
            print(f"metrics on port {metrics.getsockname()[1]}", flush=True)

        def work(listener: socket.socket, slot: Slot | None, ready: Callable[[], None]) -> int:
            shared = Shared(board, slot, metrics, watchdog, ready)
            return serve(options, directories, access, listener, parent, shared)

        return Workers(listeners, board, work, warn, notifier(os.environb), watchdog).run()
    finally:
        if metrics is not None:
            metrics.close()
        for listener in listeners:
            listener.close()
        socket_file.remove()


def _announce(listener: socket.socket, secure: bool) -> None:
    if listener.family == socket.AF_UNIX:
        print(f"listening on {listener.getsockname()}", flush=True)
    else:
        print(f"listening on port {listener.getsockname()[1]}{' (https)' if secure else ''}", flush=True)
