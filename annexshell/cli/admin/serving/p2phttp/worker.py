"""A worker process of the server, from after the fork to its end."""

from __future__ import annotations

import os
import resource
import signal
import sys

from annexshell.cli.admin.serving.p2phttp.access import read_proxies
from annexshell.cli.admin.serving.p2phttp.git import open_git
from annexshell.cli.admin.serving.p2phttp.options import (
    base_path,
    errors,
    read_age,
    read_limits,
    read_number,
    read_origins,
    read_sendfile,
    read_size,
    read_tls,
    warn,
    worker_count,
)
from annexshell.cli.admin.serving.p2phttp.watching import Shared, read_log, watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.repositories.served import Environment

# Seconds after which a thread that computes gives way: the hub has clients to answer.
_SWITCH = 0.001
_LOGIN_THREADS = 1  # each takes a processor
_NODE_THREADS = 32  # for each node and cluster, any of which may hang


def serve(
    options: dict[str, Any],
    directories: list[bytes],
    access: Callable[[Tasks], Access],
    listener: socket.socket,
    parent: int,
    shared: Shared,
) -> int:
    """Serves until the server is stopped. Runs in the worker process."""
    from annexshell.green.tasks import Tasks, on_signal
    from annexshell.serve.http.access.cors import Origins
    from annexshell.serve.http.api.service import Api
    from annexshell.serve.http.httpd import Server
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.housekeeping import Housekeeping
    from annexshell.serve.http.router import Page, Router
    from annexshell.serve.http.workers import begin_work

    sys.setswitchinterval(_SWITCH)
    _allow_many_files()
    errors()
    tasks = Tasks()
    jobs = read_number(options, "--jobs") if options["--jobs"] else 0
    work = Tasks(most=-(-jobs // worker_count(options))) if jobs else tasks
    environment = _environment(options, tasks, work)
    repositories = Repositories([] if directories else [os.getcwdb()], directories, environment)
    who = access(Tasks(None, _LOGIN_THREADS))
    base = base_path(options)
    pages: dict[bytes, Page] = {}
    git = open_git(options, directories, repositories, who, environment) if options["--git"] else None
    router = Router(Api(repositories, who, base), pages, git, warn, base)
    log, counting = read_log(options), shared.counting(options)
    limits, tls = read_limits(options), read_tls(options)
    handle = Origins(read_origins(options), router.handle).handle
    server = Server(handle, repositories, tasks, limits, warn, tls, log, read_proxies(options), counting, work)
    watch(options, shared, server, pages, repositories, who, tasks, parent)
    for number, end in ((signal.SIGTERM, server.stop), (signal.SIGINT, server.stop), (signal.SIGHUP, server.retire)):
        on_signal(number, end)
        on_signal(number, who.hurry)
    if age := read_age(options):
        tasks.spawn(Housekeeping(repositories, tasks, age).run)
    begin_work()
    repositories.search()
    server.run(listener, parent, shared.ready)
    return 0


def _environment(options: dict[str, Any], tasks: Tasks, work: Tasks) -> Environment:
    from annexshell.cli.context import child_environment
    from annexshell.green.tasks import Tasks
    from annexshell.green.waiter import GeventWaiter, resolve
    from annexshell.repo.gateway.gateway import CONNECT_LIMIT, NODE_LIMIT
    from annexshell.serve.http.repositories.served import Environment
    from annexshell.stream.port import Waiting

    cluster_jobs = read_number(options, "--clusterjobs") if options["--clusterjobs"] else None
    locked_files = read_number(options, "--lockedfiles")
    client_locks = read_number(options, "--clientlocks") if options["--clientlocks"] else (locked_files + 1) // 2
    return Environment(
        child_environment(),
        tasks,
        lambda: Tasks(cluster_jobs, _NODE_THREADS),
        Waiting(GeventWaiter(NODE_LIMIT), GeventWaiter(CONNECT_LIMIT), resolve),
        warn,
        read_number(options, "--proxyconnections"),
        locked_files,
        client_locks,
        read_size(options, "--max-size"),
        read_size(options, "--max-size-user"),
        work,
        read_sendfile(options),
    )


def _allow_many_files() -> None:
    """Raises the soft limit on file descriptors to the hard one: each connection needs some."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
