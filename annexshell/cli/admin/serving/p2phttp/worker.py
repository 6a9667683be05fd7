"""A worker process of the server: its parts, put together in order."""

from __future__ import annotations

import os
import resource
import signal
import sys
from functools import partial

from annexshell import __version__
from annexshell.cli.admin.serving.p2phttp.git import RepositoryUrls
from annexshell.cli.admin.serving.p2phttp.messages import errors, warn
from annexshell.cli.context import child_environment
from annexshell.green.tasks import Tasks, on_signal
from annexshell.green.waiter import GeventWaiter, resolve
from annexshell.repo.gateway.gateway import CONNECT_LIMIT, NODE_LIMIT
from annexshell.serve.http.access.cors import Origins
from annexshell.serve.http.api.dispatch import Api
from annexshell.serve.http.connections import Connections
from annexshell.serve.http.conversation import Conversations
from annexshell.serve.http.entrance import Entrance
from annexshell.serve.http.httpd import Server
from annexshell.serve.http.reporting.counting import Counting
from annexshell.serve.http.reporting.health import Health, give_signs_of_life
from annexshell.serve.http.reporting.witness import Witness
from annexshell.serve.http.repositories.directory import Repositories
from annexshell.serve.http.repositories.housekeeping import Housekeeping
from annexshell.serve.http.repositories.settings import ServerSettings
from annexshell.serve.http.router import Page, Router
from annexshell.serve.http.shutdown import Shutdown
from annexshell.serve.http.workers import begin_work
from annexshell.stream.port import Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from annexshell.cli.admin.serving.p2phttp.options import ServerOptions
    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.reporting.scoreboard import Scoreboard, Slot

# Seconds after which a thread that computes gives way: the hub has clients to answer.
_SWITCH = 0.001
_LOGIN_THREADS = 1  # each takes a processor
_NODE_THREADS = 32  # for each node and cluster, any of which may hang


class Shared:
    """What all workers share: the scoreboard where each has a slot; the socket for metrics, if they are wanted; the
    process that started them; and the seconds within which the watchdog expects a sign of life, if there is one."""

    def __init__(self, board: Scoreboard, metrics: socket.socket | None, parent: int, watchdog: float | None) -> None:
        self.board = board
        self.metrics = metrics
        self.parent = parent
        self.watchdog = watchdog


def serve(
    options: ServerOptions, shared: Shared, listener: socket.socket, slot: Slot | None, ready: Callable[[], None]
) -> int:
    """Serves on a listener until a signal says to stop. Calls `ready` when connections are accepted."""
    sys.setswitchinterval(_SWITCH)
    _allow_many_files()
    errors()
    tasks = Tasks()
    settings = _settings(options, tasks)
    repositories = Repositories([] if options.directories else [os.getcwdb()], options.directories, settings)
    access = options.access.open(Tasks(None, _LOGIN_THREADS), options.directories or [os.getcwdb()])
    shutdown = Shutdown(tasks, options.limits.grace)
    pages = _pages(options, shared, shutdown, repositories, access, tasks)
    urls = RepositoryUrls(options, repositories, access, settings)
    api = Api(repositories, access, options.web.base)
    router = Router(api, pages, urls.git, warn, options.web.base, urls.browse)
    server = _server(options, shared, slot, router, repositories, settings, shutdown)
    for number, end in ((signal.SIGTERM, server.stop), (signal.SIGINT, server.stop), (signal.SIGHUP, server.retire)):
        on_signal(number, end)
        on_signal(number, access.hurry)
    if slot is not None:
        probe = partial(server.probe, options.web.base)
        tasks.spawn(lambda: give_signs_of_life(probe, slot, shared.watchdog, tasks.news().wait))
    if options.work.expiry:
        tasks.spawn(Housekeeping(repositories, tasks, options.work.expiry).run)
    begin_work()
    repositories.search()
    server.run(listener, shared.parent, ready)
    return 0


def _server(
    options: ServerOptions,
    shared: Shared,
    slot: Slot | None,
    router: Router,
    repositories: Repositories,
    settings: ServerSettings,
    shutdown: Shutdown,
) -> Server:
    tasks, limits = settings.tasks, options.limits
    is_counted = shared.metrics is not None or options.reports.status_page
    witness = Witness(Counting(slot) if slot is not None and is_counted else None, options.reports.open_log())
    conversations = Conversations(limits, options.web.proxies, witness, shutdown, warn)
    connections = Connections(conversations, limits, witness, shutdown, tasks, settings.disk_tasks, warn)
    entrance = Entrance(Origins(options.web.origins, router.handle).handle, options.listening.tls(), watched=True)
    sides = [(shared.metrics, _metrics(shared, repositories, tasks))] if shared.metrics is not None else []
    return Server(entrance, connections, repositories, witness, shutdown, tasks, sides)


def _pages(
    options: ServerOptions,
    shared: Shared,
    shutdown: Shutdown,
    repositories: Repositories,
    access: Access,
    tasks: Tasks,
) -> dict[bytes, Page]:
    pages = {b"/healthz": Page("healthz", Health(lambda: shutdown.is_final, repositories, tasks, shared.board).answer)}
    if options.reports.status_page:
        from annexshell.serve.http.status import StatusPage

        pages[b"/"] = Page("status", StatusPage(shared.board, repositories, access, tasks).answer)
    return pages


def _metrics(shared: Shared, repositories: Repositories, tasks: Tasks) -> Entrance:
    from annexshell.serve.http.reporting.metrics import Metrics

    metrics = Metrics(shared.board, repositories, tasks, __version__, shared.parent)
    return Entrance(metrics.handle, None, watched=False)


def _settings(options: ServerOptions, tasks: Tasks) -> ServerSettings:
    work = options.work
    return ServerSettings(
        child_environment(),
        warn,
        tasks,
        Tasks(most=work.disk) if work.disk else tasks,
        lambda: Tasks(work.nodes, _NODE_THREADS),
        Waiting(GeventWaiter(NODE_LIMIT), GeventWaiter(CONNECT_LIMIT), resolve),
        options.repositories,
        options.web.sendfile,
    )


def _allow_many_files() -> None:
    """Raises the soft limit on file descriptors to the hard one: each connection needs some."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
