"""Many small operations in a session, and what a session costs at its end.

To be measured on a file system with a journal: ext4 without one looks past every inode that was deleted in the last
minutes, so that creating a file takes each side longer from run to run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice

from tests.bench.client import Session, connect
from tests.bench.model import Place, Row, Workload, ratio_at_most
from tests.bench.operations import SMALL, get, is_present, put, remove, small_objects, timed

_SESSIONS = 4


class Small(Workload):
    """A session stores objects; the next one asks for them, fetches them and removes them."""

    name = "small"
    large = True
    rows = (
        Row("put", "ms", ratio_at_most(0.5)),
        Row("get", "ms", ratio_at_most(0.5)),
        Row("remove", "ms", ratio_at_most(0.5)),
        Row("present", "us", ratio_at_most(1)),
        Row("absent", "us", ratio_at_most(1)),
        Row("end-after-many", "ms", ratio_at_most(0.3)),
    )

    def run(self, place: Place) -> dict[str, float]:
        place.flush_to_disk(False)
        objects = small_objects(place.settings.operations)
        figures = _store(place, objects)
        checks = place.settings.checks
        keys = [key for key, _ in objects]
        present = list(islice(cycle(keys), checks))
        absent = [b"SHA256-s1000--%064x" % number for number in range(checks)]
        with connect(place.side.shell, place.repository, place.uuid) as session:
            gets = timed(lambda key: get(session, key, SMALL), keys)
            hits = timed(lambda key: is_present(session, key, True), present)
            misses = timed(lambda key: is_present(session, key, False), absent)
            removes = timed(lambda key: remove(session, key), keys)
            session.end()
        return figures | {
            "get": gets / len(objects) * 1e3,
            "remove": removes / len(objects) * 1e3,
            "present": hits / checks * 1e6,
            "absent": misses / checks * 1e6,
        }


class SmallFlushed(Workload):
    """Stores objects with every one of them flushed to disk before it is acknowledged."""

    name = "small-fsync"
    large = True
    rows = (Row("put", "ms", ratio_at_most(1)), Row("end-after-many", "ms", ratio_at_most(0.3)))

    def run(self, place: Place) -> dict[str, float]:
        place.flush_to_disk(True)
        objects = small_objects(place.settings.operations)
        figures = _store(place, objects)
        _clean_up(place, objects)
        return figures


class End(Workload):
    """The end of a session that has stored a single object."""

    name = "end"
    large = True
    runs = 15
    rows = (Row("after-one", "ms", ratio_at_most(0.3)),)

    def run(self, place: Place) -> dict[str, float]:
        place.flush_to_disk(False)
        objects = small_objects(1)
        figures = _store(place, objects)
        _clean_up(place, objects)
        return {"after-one": figures["end-after-many"]}


class AtOnce(Workload):
    """Four sessions at once store objects, and then remove them, flushed to disk. The slowest upload says whether each
    has its turn."""

    name = "small-at-once"
    rows = (Row("put", "ms", ratio_at_most(1)), Row("put-slowest", "ms"), Row("remove", "ms", ratio_at_most(1)))

    def run(self, place: Place) -> dict[str, float]:
        place.flush_to_disk(True)
        objects = [small_objects(place.settings.operations // _SESSIONS + 1) for _ in range(_SESSIONS)]
        os.sync()
        with ExitStack() as stack:
            shell, path, uuid = place.side.shell, place.repository, place.uuid
            sessions = [stack.enter_context(connect(shell, path, uuid)) for _ in range(_SESSIONS)]
            puts, slowest = _all_at_once(_put, sessions, objects)
            removes, _ = _all_at_once(_remove, sessions, objects)
            for session in sessions:
                session.end()
        count = len(objects[0]) * _SESSIONS
        return {"put": puts / count * 1e3, "put-slowest": slowest * 1e3, "remove": removes / count * 1e3}


def _put(session: Session, item: tuple[bytes, bytes]) -> None:
    put(session, *item)


def _remove(session: Session, item: tuple[bytes, bytes]) -> None:
    remove(session, item[0])


def _all_at_once(
    work: Callable[[Session, tuple[bytes, bytes]], None],
    sessions: list[Session],
    objects: list[list[tuple[bytes, bytes]]],
) -> tuple[float, float]:
    """Seconds until all sessions have done their share, and those of the slowest piece of work."""

    def share(session: Session, items: list[tuple[bytes, bytes]]) -> float:
        return max(timed(lambda item: work(session, item), [item]) for item in items)

    begin = time.perf_counter()
    with ThreadPoolExecutor(len(sessions)) as pool:
        slowest = max(pool.map(share, sessions, objects))
    return time.perf_counter() - begin, slowest


def _store(place: Place, objects: list[tuple[bytes, bytes]]) -> dict[str, float]:
    os.sync()  # what others have left to write
    with connect(place.side.shell, place.repository, place.uuid) as session:
        puts = timed(lambda item: put(session, *item), objects)
        ended = session.end()
    return {"put": puts / len(objects) * 1e3, "end-after-many": ended.seconds * 1e3}


def _clean_up(place: Place, objects: list[tuple[bytes, bytes]]) -> None:
    with connect(place.side.shell, place.repository, place.uuid) as session:
        for key, _ in objects:
            remove(session, key)
        session.end()


WORKLOADS = [Small(), SmallFlushed(), AtOnce(), End()]
