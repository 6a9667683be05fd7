"""The HTTP API: ours and git annex p2phttp with 16 jobs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.bench.memory import WarmMemory
from tests.bench.model import GIB, Place, Row, Workload, at_most, ratio_at_least, ratio_at_most
from tests.bench.operations import SMALL, payload, timed
from tests.bench.webclient import (
    Uploader,
    Uploading,
    certificate,
    download,
    download_secure,
    idle_connections,
    load,
)
from tests.bench.webserver import ServerMemory, WebServer
from tests.bench.workloads.bulk import present

_MB = 1e6
_SAMPLING = 0.05  # seconds between two looks at a server's memory
_UPLOADERS = 32


class Requests(Workload):
    """Small requests, as many as are answered on a number of connections."""

    runs = 3
    programs = ("wrk",)

    def __init__(self, name: str, endpoint: str, connections: int, factor: float, p99: float | None = None) -> None:
        self.name = f"{name}-{connections}"
        self._endpoint = endpoint
        self._connections = connections
        self.rows = (
            Row("rate", "1/s", ratio_at_least(factor)),
            Row("p99", "ms", None if p99 is None else at_most(p99)),
            Row("cpu", "us"),
        )

    def run(self, place: Place) -> dict[str, float]:
        small = payload(place.shared, SMALL)
        with present(place, small), WebServer(place) as server:
            done, cpu_seconds = server.measured(
                lambda: load(server, self._endpoint, small.key, self._connections, place.settings.seconds)
            )
        return {"rate": done.rate, "p99": done.p99, "cpu": cpu_seconds / done.requests * 1e6}


class Get(Workload):
    """One big object from the page cache, sent to a client that throws it away."""

    name = "http-get"
    rows = (Row("throughput", "MB/s", ratio_at_least(2.5)), Row("cpu", "s/GiB", ratio_at_most(0.2)))

    def run(self, place: Place) -> dict[str, float]:
        big = payload(place.shared, place.settings.size)
        with present(place, big), WebServer(place) as server:
            return _throughput(server, big.size, lambda: download(server, big.key, big.size))


class GetSecure(Workload):
    """The same over TLS."""

    name = "https-get"
    programs = ("curl", "openssl")
    rows = (Row("throughput", "MB/s", ratio_at_least(1.5)), Row("cpu", "s/GiB"))

    def run(self, place: Place) -> dict[str, float]:
        big = payload(place.shared, place.settings.size)
        with present(place, big), WebServer(place, *certificate(place.shared)) as server:
            return _throughput(server, big.size, lambda: download_secure(server, big.key, big.size))


class Put(Workload):
    """A big object, that is on disk when it is acknowledged; the original does not flush it."""

    name = "http-put"
    rows = (Row("throughput", "MB/s", ratio_at_least(3.5)), Row("cpu", "s/GiB"))

    def run(self, place: Place) -> dict[str, float]:
        place.flush_to_disk(True)
        big = payload(place.shared, place.settings.size // 2)
        os.sync()
        with WarmMemory(place.repository, big.size) as memory, WebServer(place) as server:
            uploader = Uploader(server, big)
            keys: list[bytes] = []
            figures = _throughput(server, big.size, lambda: timed(lambda of: keys.append(uploader.put(of)), [memory]))
            uploader.remove(keys[0])
        return figures


def _throughput(server: WebServer, size: int, work: Callable[[], float]) -> dict[str, float]:
    seconds, cpu_seconds = server.measured(work)
    return {"throughput": size / _MB / seconds, "cpu": cpu_seconds * GIB / size + 1e-9}  # of ticks there may be none


class Memory(Workload):
    """What a worker has when nobody came yet, and at most while 32 clients download and 32 upload."""

    name = "http-memory"
    runs = 3
    programs = ("wrk",)
    rows = (
        Row("idle", "MB", at_most(40)),
        Row("idle-share", "MB"),
        Row("busy", "MB", at_most(80)),
        Row("busy-share", "MB"),
    )

    def run(self, place: Place) -> dict[str, float]:
        place.flush_to_disk(True)
        part = payload(place.shared, place.settings.size // 1024)
        whole = payload(place.shared, place.settings.size // 128)
        with present(place, part), WebServer(place) as server:
            idle = server.memory()
            with Uploading(server, whole, _UPLOADERS), _watching(server) as peaks:
                load(server, "key", part.key, 64 - _UPLOADERS, place.settings.seconds)
        return {
            "idle": idle.resident / _MB,
            "idle-share": idle.share / _MB,
            "busy": max(peak.resident for peak in peaks) / _MB,
            "busy-share": max(peak.share for peak in peaks) / _MB,
        }


@contextmanager
def _watching(server: WebServer) -> Iterator[list[ServerMemory]]:
    """What the server had at several moments meanwhile."""
    found = [server.memory()]
    ending = threading.Event()

    def watch() -> None:
        while not ending.wait(_SAMPLING):
            found.append(server.memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ending.set()
        thread.join()


class Idle(Workload):
    """Thousands of clients that stay connected after a request; what they cost, and how long another one waits."""

    name = "http-idle"
    runs = 3
    programs = ("wrk",)
    rows = (
        Row("total", "MB", at_most(150)),
        Row("each", "kB"),
        Row("median", "ms"),
        Row("p99", "ms"),
        Row("slowdown", "x", at_most(1.25)),
    )

    def run(self, place: Place) -> dict[str, float]:
        small = payload(place.shared, SMALL)
        count = place.settings.connections
        with present(place, small), WebServer(place) as server:
            alone = load(server, "checkpresent", small.key, 1, place.settings.seconds)
            before = server.memory()
            with idle_connections(server, small.key, count):
                with_idle = load(server, "checkpresent", small.key, 1, place.settings.seconds)
                total = server.memory().total
        return {
            "total": total / _MB,
            "each": (total - before.total) / count / 1e3,
            "median": with_idle.median,
            "p99": with_idle.p99,
            "slowdown": with_idle.median / alone.median,
        }


class WhileStoring(Workload):
    """How long a client waits for an answer while many others upload, 1 GiB in all at a time."""

    name = "http-while-storing"
    runs = 3
    programs = ("wrk",)
    rows = (Row("median", "ms"), Row("p99", "ms", at_most(50)), Row("stored", "MB/s"))

    def run(self, place: Place) -> dict[str, float]:
        place.flush_to_disk(True)
        small = payload(place.shared, SMALL)
        part = payload(place.shared, place.settings.size // _UPLOADERS)
        os.sync()
        with (
            present(place, small),
            WebServer(place) as server,
            Uploading(server, part, _UPLOADERS) as uploading,
        ):
            done = load(server, "checkpresent", small.key, 1, place.settings.seconds)
            stored = uploading.stored
        return {
            "median": done.median,
            "p99": done.p99,
            "stored": stored / _MB / place.settings.seconds + 1e-9,  # nothing may be complete yet
        }


WORKLOADS = [
    Requests("http-present", "checkpresent", 1, 1.2),
    Requests("http-present", "checkpresent", 16, 1.5),
    Requests("http-present", "checkpresent", 64, 1.5),
    Requests("http-present", "checkpresent", 512, 4, p99=100),
    Requests("http-small", "key", 4, 5),
    Requests("http-small", "key", 64, 5),
    Get(),
    Put(),
    GetSecure(),
    Memory(),
    Idle(),
    WhileStoring(),
]
