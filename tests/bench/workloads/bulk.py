"""One big object: throughput, the server's processor time, and its memory."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.client import connect
from tests.bench.memory import WarmMemory
from tests.bench.model import GIB, Place, Row, Workload, at_most, ratio_at_least
from tests.bench.operations import Payload, get, payload, put_file, remove, timed
from tests.bench.repositories import object_path

_PART = 64  # memory is compared with that for an object smaller by this factor


class _Bulk(Workload):
    """Moves the object in a session of its own."""

    def run(self, place: Place) -> dict[str, float]:
        big = payload(place.shared, place.settings.size)
        seconds, cpu_seconds, peak = self._session(place, big)
        _, _, peak_of_part = self._session(place, payload(place.shared, place.settings.size // _PART))
        return {
            "throughput": big.size / (1 << 20) / seconds,
            "cpu": cpu_seconds * GIB / big.size,
            "peak": peak / 1e6,
            "peak-growth": peak / peak_of_part,
        }

    @abstractmethod
    def _session(self, place: Place, content: Payload) -> tuple[float, float, int]:
        """Seconds, processor seconds, and bytes of memory."""


class Get(_Bulk):
    """The object comes from the page cache."""

    name = "get"
    rows = (
        Row("throughput", "MiB/s", ratio_at_least(4)),
        Row("cpu", "s/GiB", at_most(0.1)),
        Row("peak", "MB", at_most(25)),
        Row("peak-growth", "x", at_most(1.1)),
    )

    def _session(self, place: Place, content: Payload) -> tuple[float, float, int]:
        with present(place, content), connect(place.side.shell, place.repository, place.uuid) as session:
            seconds = timed(lambda key: get(session, key, content.size), [content.key])
            ended = session.end()
        return seconds, ended.cpu_seconds, ended.peak


class Put(_Bulk):
    """The object goes to the page cache, and with `flush` to the disk."""

    def __init__(self, name: str, flush: bool, factor: float) -> None:
        self.name = name
        self._flush = flush
        self.rows = (
            Row("throughput", "MiB/s", ratio_at_least(factor)),
            Row("cpu", "s/GiB", at_most(1)),
            Row("peak", "MB", at_most(25)),
            Row("peak-growth", "x", at_most(1.1)),
        )

    def _session(self, place: Place, content: Payload) -> tuple[float, float, int]:
        place.flush_to_disk(self._flush)
        os.sync()  # what others have left to write
        with (
            WarmMemory(place.repository, content.size) as memory,
            connect(place.side.shell, place.repository, place.uuid) as session,
        ):
            seconds = timed(lambda source: put_file(session, source, memory.give_back), [content])
            ended = session.end()
        with connect(place.side.shell, place.repository, place.uuid) as session:
            remove(session, content.key)
            session.end()
        return seconds, ended.cpu_seconds, ended.peak


@contextmanager
def present(place: Place, content: Payload) -> Iterator[None]:
    """Lends the file to the repository as an object."""
    path = object_path(place.repository / "annex" / "objects", content.key.decode())
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():  # left by a run that was killed
        os.link(content.path, path)
    try:
        yield
    finally:
        path.unlink()
        path.parent.rmdir()


WORKLOADS = [Get(), Put("put", flush=False, factor=6), Put("put-fsync", flush=True, factor=4)]
