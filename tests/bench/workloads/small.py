"""Many small operations in a session, and what a session costs at its end.

To be measured on a file system with a journal: ext4 without one looks past every inode that was deleted in the last
minutes, so that creating a file takes each side longer from run to run.
"""

from __future__ import annotations

import os
from itertools import cycle, islice

from tests.bench.client import connect
from tests.bench.model import Place, Row, Workload, ratio_at_most
from tests.bench.operations import SMALL, get, is_present, put, remove, small_objects, timed


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


WORKLOADS = [Small(), SmallFlushed(), End()]
