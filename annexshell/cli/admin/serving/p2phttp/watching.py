"""The options about what the server reports: the metrics, the access log and the status page."""

from __future__ import annotations

import socket

from annexshell import __version__
from annexshell.cli.admin.serving.p2phttp.options import base_path, warn
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.httpd import Server
    from annexshell.serve.http.reporting.accesslog import AccessLog
    from annexshell.serve.http.reporting.counting import Counting
    from annexshell.serve.http.reporting.scoreboard import Scoreboard, Slot
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.router import Page


def read_log(options: dict[str, Any]) -> AccessLog | None:
    """Raises BadUsage."""
    from annexshell.serve.http.reporting.accesslog import COMBINED, JSON, AccessLog

    form = options["--access-log-format"]
    if form not in (COMBINED, JSON):
        raise BadUsage(f"--access-log-format has to be {COMBINED} or {JSON}, not {form!r}")
    path = options["--access-log"]
    if not path:
        return None
    try:
        return AccessLog(path, form, warn)
    except OSError as error:
        raise BadUsage(f"the access log can't be written: {error}") from None


def listen_for_metrics(options: dict[str, Any]) -> socket.socket | None:
    """The socket that answers requests for metrics; all workers share it. Raises BadUsage."""
    place = options["--metrics"]
    if not place:
        return None
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise BadUsage('--metrics needs the Python package prometheus_client: pip install "annexshell[http]"') from None
    address, _, port = place.rpartition(":")
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise BadUsage(f"--metrics has to be a port, or ADDRESS:PORT, not {place!r}")
    try:
        found = socket.getaddrinfo(address.strip("[]") or "127.0.0.1", int(port), type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(found[4][:2], family=found[0])
    except (OSError, OverflowError) as error:
        raise BadUsage(f"can't listen for metrics at {place}: {error}") from None
    return listener


class Shared:
    """What a worker process shares with the others: its slot on the scoreboard, if one was free; the socket for
    metrics, if they are wanted; and the seconds within which the watchdog expects a sign of life, if there is one.
    `ready` is called when the worker accepts connections."""

    def __init__(
        self,
        board: Scoreboard,
        slot: Slot | None,
        metrics: socket.socket | None,
        watchdog: float | None,
        ready: Callable[[], None],
    ) -> None:
        self.board = board
        self.slot = slot
        self.metrics = metrics
        self.watchdog = watchdog
        self.ready = ready

    def counting(self, options: dict[str, Any]) -> Counting | None:
        """The counters of requests; None if neither metrics nor the status page would show them."""
        from annexshell.serve.http.reporting.counting import Counting

        is_wanted = self.metrics is not None or options["--status-page"]
        return Counting(self.slot) if self.slot is not None and is_wanted else None


def watch(
    options: dict[str, Any],
    shared: Shared,
    server: Server,
    pages: dict[bytes, Page],
    repositories: Repositories,
    access: Access,
    tasks: Tasks,
    parent: int,
) -> None:
    """Starts what a worker reports about itself and the others."""
    from annexshell.serve.http.reporting.health import Health
    from annexshell.serve.http.router import Page

    health = Health(server, repositories, tasks, shared.board)
    pages[b"/healthz"] = Page("healthz", health.answer)
    slot = shared.slot
    if slot is not None:
        tasks.spawn(lambda: health.live(slot, base_path(options), shared.watchdog, tasks.news().wait))
    if options["--status-page"]:
        from annexshell.serve.http.status import StatusPage

        pages[b"/"] = Page("status", StatusPage(shared.board, repositories, access, tasks).answer)
    if shared.metrics is not None:
        from annexshell.serve.http.reporting.metrics import Metrics

        server.serve_aside(shared.metrics, Metrics(shared.board, repositories, tasks, __version__, parent).handle)
