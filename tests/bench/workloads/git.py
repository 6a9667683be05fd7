"""git over HTTP, which the original does not have: ours alone."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from tests.bench.gitclient import bare_loop, fetch, pack
from tests.bench.model import GIB, BenchError, Place, Row, Workload, at_least, at_most
from tests.bench.operations import SMALL, payload
from tests.bench.webclient import load
from tests.bench.webserver import WebServer
from tests.bench.workloads.bulk import present

_MB = 1e6
_CLONES = 64


class Fetch(Workload):
    """The response of upload-pack for one large pack, compared with a bare loop that splices a pipe to a socket."""

    name = "git-fetch"
    ours_alone = True
    rows = (
        Row("throughput", "MB/s"),
        Row("cpu", "s/GiB"),
        Row("cpu-of-bare-loop", "x", at_most(1.2)),
        Row("throughput-of-bare-loop", "x", at_least(0.95)),
    )

    def run(self, place: Place) -> dict[str, float]:
        wanted = pack(place.shared, place.settings.size)
        bare_seconds, bare_cpu = bare_loop(wanted, place.shared)
        with WebServer(place, "--git", "--cpus=1", f"--directory={place.shared}") as server:
            before = server.own_cpu_seconds()
            seconds = fetch(server.port, f"/{wanted.repository.name}", wanted)
            cpu = server.own_cpu_seconds() - before
        return {
            "throughput": wanted.size / _MB / seconds,
            "cpu": cpu * GIB / wanted.size + 1e-9,
            "cpu-of-bare-loop": (cpu + 1e-9) / (bare_cpu + 1e-9),
            "throughput-of-bare-loop": bare_seconds / seconds,
        }


class Crowd(Workload):
    """How long a client of the API waits for an answer while many others clone, a few at a time."""

    name = "git-crowd"
    runs = 3
    ours_alone = True
    programs = ("wrk",)
    rows = (Row("median", "ms"), Row("p99", "ms", at_most(50)))

    def run(self, place: Place) -> dict[str, float]:
        wanted = pack(place.shared, max(1 << 20, place.settings.size // 256))
        small = payload(place.shared, SMALL)
        link = place.repository.parent / f"of-{place.side.name}"
        link.mkdir(exist_ok=True)
        for target in (place.repository, wanted.repository):
            if not (link / target.name).is_symlink():
                (link / target.name).symlink_to(target)
        with present(place, small), WebServer(place, "--git", f"--directory={link}") as server:
            url = f"http://127.0.0.1:{server.port}/{wanted.repository.name}"
            with tempfile.TemporaryDirectory() as directory, _Cloning(url, Path(directory)):
                done = load(server, "checkpresent", small.key, 1, place.settings.seconds)
        return {"median": done.median, "p99": done.p99}


class _Cloning:
    """Clones at once, again and again, until it is left."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url
        self._directory = directory
        self._ending = threading.Event()
        self._failed = 0
        self._threads = [threading.Thread(target=self._clone, args=(number,)) for number in range(_CLONES)]

    def _clone(self, number: int) -> None:
        path = self._directory / str(number)
        while not self._ending.is_set():
            done = subprocess.run(["git", "clone", "-q", "--bare", self._url, path], capture_output=True)
            self._failed += done.returncode != 0
            shutil.rmtree(path, ignore_errors=True)

    def __enter__(self) -> _Cloning:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise BenchError(f"{self._failed} clones failed")


WORKLOADS = [Fetch(), Crowd()]
