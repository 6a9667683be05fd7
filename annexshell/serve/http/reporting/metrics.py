"""Numbers for Prometheus, summed up over all workers."""

from __future__ import annotations

import psutil
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from annexshell.serve.http.reporting.counting import (
    ACCEPTED,
    CONNECTIONS,
    IN_FLIGHT,
    LOGINS_FAILED,
    RECEIVED,
    ROW_DOWNLOADS,
    ROW_ERRORS,
    ROW_RECEIVED,
    ROW_SENT,
    ROW_UPLOADS,
    SENT,
    Totals,
)
from annexshell.wire.endpoints import ENDPOINTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.reporting.scoreboard import Scoreboard
    from annexshell.serve.http.repositories.directory import Repositories

_FORMAT = (("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), ("Cache-Control", "no-store"))
_SINGLE = (
    (CounterMetricFamily, "http_connections_accepted", "Connections of clients.", ACCEPTED),
    (GaugeMetricFamily, "http_connections", "Connections of clients that are open.", CONNECTIONS),
    (GaugeMetricFamily, "http_requests_in_flight", "Requests that are being answered.", IN_FLIGHT),
    (CounterMetricFamily, "http_received_bytes", "Bytes of the bodies of requests.", RECEIVED),
    (CounterMetricFamily, "http_sent_bytes", "Bytes of the bodies of answers.", SENT),
    (CounterMetricFamily, "annexshell_logins_failed", "Requests with a wrong user name or password.", LOGINS_FAILED),
)
_BY_REPOSITORY = (
    (CounterMetricFamily, "annexshell_received_bytes", "Bytes received, by repository.", ROW_RECEIVED),
    (CounterMetricFamily, "annexshell_sent_bytes", "Bytes sent, by repository.", ROW_SENT),
    (CounterMetricFamily, "annexshell_failed_requests", "Requests answered with 5xx, by repository.", ROW_ERRORS),
    (GaugeMetricFamily, "annexshell_uploads_in_progress", "Contents being received.", ROW_UPLOADS),
    (GaugeMetricFamily, "annexshell_downloads_in_progress", "Contents being sent.", ROW_DOWNLOADS),
)


class Metrics:
    """Answers requests for them, for whoever may connect where they are served."""

    def __init__(self, board: Scoreboard, repositories: Repositories, tasks: Tasks, version: str, parent: int) -> None:
        self._board = board
        self._repositories = repositories
        self._tasks = tasks
        self._version = version
        self._parent = parent

    def handle(self, exchange: Exchange) -> None:
        path = exchange.head.raw_target.partition(b"?")[0]
        if path not in (b"/metrics", b"/") or exchange.head.method not in (b"GET", b"HEAD"):
            exchange.error(404, "the metrics are at /metrics")
            return
        exchange.respond(200, self._tasks.offload(self._text), _FORMAT)

    def _text(self) -> bytes:
        locks = {served.uuid: served.leases.count() for served in self._repositories.all}
        registry = CollectorRegistry()
        registry.register(_Collected(Totals(self._board), locks, self._version, self._parent))
        return generate_latest(registry)


class _Collected(Collector):
    """`locks` are the locks of clients by repository, `parent` is the process that has started the workers."""

    def __init__(self, totals: Totals, locks: dict[bytes, int], version: str, parent: int) -> None:
        self._totals = totals
        self._locks = locks
        self._version = version
        self._parent = parent

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        totals = self._totals
        info = GaugeMetricFamily("annexshell_info", "The version.", labels=["version"])
        info.add_metric([self._version], 1)
        yield info
        yield GaugeMetricFamily("annexshell_workers", "Worker processes.", totals.workers)
        yield GaugeMetricFamily("annexshell_repositories", "Repositories that are served.", len(self._locks))
        for kind, name, text, field in _SINGLE:
            yield kind(name, text, totals.number(field))
        yield from self._requests()
        yield from self._by_repository()
        yield from _processes(self._parent)

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("http_requests", "Requests.", labels=["method", "endpoint", "code"])
        for method, endpoint, status, count in self._totals.requests():
            requests.add_metric([method, endpoint, str(status or "other")], count)
        yield requests
        text = "Seconds from the head of a request to the end of its answer."
        durations = HistogramMetricFamily("http_request_duration_seconds", text, labels=["endpoint"])
        for endpoint, buckets, seconds in self._totals.durations():
            shown = [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in buckets]
            durations.add_metric([endpoint], shown, seconds)
        yield durations

    def _by_repository(self) -> Iterator[Metric]:
        rows = {_label(uuid): row for uuid, row in self._totals.repositories.items()}
        requests = CounterMetricFamily("annexshell_requests", "Requests.", labels=["repository", "endpoint"])
        for label, row in rows.items():
            for number, endpoint in enumerate(ENDPOINTS):
                if row[number]:
                    requests.add_metric([label, endpoint], row[number])
        yield requests
        for kind, name, text, field in _BY_REPOSITORY:
            family = kind(name, text, labels=["repository"])
            for label, row in rows.items():
                family.add_metric([label], row[field])
            yield family
        held = GaugeMetricFamily("annexshell_locks_held", "Locks that clients have.", labels=["repository"])
        for uuid, count in self._locks.items():
            held.add_metric([_label(uuid)], count)
        yield held


def _label(uuid: bytes) -> str:
    return uuid.decode("utf-8", "replace") or "other"


def _processes(parent: int) -> Iterator[Metric]:
    """What is customarily told of a process, added up for the server and its workers."""
    resident = virtual = files = threads = 0
    seconds = 0.0
    server = psutil.Process(parent)
    for process in [server, *server.children()]:
        try:
            with process.oneshot():
                memory, times = process.memory_info(), process.cpu_times()
                files += process.num_fds()
                threads += process.num_threads()
        except psutil.Error:
            continue
        resident += memory.rss
        virtual += memory.vms
        seconds += times.user + times.system
        if process is server:  # workers that have ended
            seconds += times.children_user + times.children_system
    yield CounterMetricFamily("process_cpu_seconds", "Processor time.", seconds)
    yield GaugeMetricFamily("process_resident_memory_bytes", "Memory; what processes share counts for each.", resident)
    yield GaugeMetricFamily("process_virtual_memory_bytes", "Memory and address space.", virtual)
    yield GaugeMetricFamily("process_open_fds", "Open file descriptors.", files)
    yield GaugeMetricFamily("process_threads", "Threads.", threads)
    yield GaugeMetricFamily("process_start_time_seconds", "When the server started.", server.create_time())
