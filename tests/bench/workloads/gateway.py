"""The same work through a gateway: to one node on this machine, to one behind ssh, and to a cluster of four."""

from __future__ import annotations

import os
from itertools import cycle, islice

from tests.bench.client import Session, connect, p2pstdio
from tests.bench.gateways import NODES, Gateway, make_gateway
from tests.bench.memory import WarmMemory
from tests.bench.model import GIB, Goal, Place, Row, Workload, at_most, ratio_at_least, ratio_at_most
from tests.bench.operations import (
    get,
    is_present,
    payload,
    put,
    put_file,
    remove,
    small_objects,
    timed,
)


def _connect(place: Place, gateway: Gateway, uuid: str) -> Session:
    return connect(place.side.shell, gateway.path, uuid)


class Bulk(Workload):
    """One big object stored and fetched, in sessions of their own."""

    def __init__(self, name: str, target: str, put_goals: dict[str, Goal], get_goals: dict[str, Goal]) -> None:
        self.name = name
        self._target = target
        self._copies = NODES if target == "cluster" else 1
        units = {"throughput": "MiB/s", "cpu": "s/GiB", "own-cpu": "s/GiB", "peak": "MB"}
        self.rows = [
            Row(f"{what}-{figure}", unit, goals.get(figure))
            for what, goals in (("put", put_goals), ("get", get_goals))
            for figure, unit in units.items()
        ]

    def run(self, place: Place) -> dict[str, float]:
        gateway = make_gateway(place)
        gateway.flush_to_disk(False)
        uuid = getattr(gateway, self._target)
        big = payload(place.shared, place.settings.size)
        figures: dict[str, float] = {}
        os.sync()
        with (
            WarmMemory(gateway.path, big.size * self._copies) as memory,
            _connect(place, gateway, uuid) as session,
        ):

            def progress(count: int) -> None:
                memory.give_back(count * self._copies)

            seconds = timed(lambda source: put_file(session, source, progress), [big])
            figures |= _figures("put", big.size, seconds, session)
        with _connect(place, gateway, uuid) as session:
            seconds = timed(lambda key: get(session, key, big.size), [big.key])
            figures |= _figures("get", big.size, seconds, session)
        with _connect(place, gateway, uuid) as session:
            remove(session, big.key)
            session.end()
        return figures


def _figures(what: str, size: int, seconds: float, session: Session) -> dict[str, float]:
    ended = session.end()
    return {
        f"{what}-throughput": size / (1 << 20) / seconds,
        f"{what}-cpu": ended.cpu_seconds * GIB / size,
        f"{what}-own-cpu": ended.own_cpu_seconds * GIB / size + 1e-9,  # counted in ticks, which may be none
        f"{what}-peak": ended.peak / 1e6,
    }


class SmallToCluster(Workload):
    """Small objects stored on all nodes, looked for, fetched and removed."""

    name = "cluster-small"
    rows = (
        Row("put", "ms", ratio_at_most(0.3)),
        Row("get", "ms"),
        Row("remove", "ms", ratio_at_most(0.3)),
        Row("present", "us", ratio_at_most(0.5)),
    )

    def run(self, place: Place) -> dict[str, float]:
        gateway = make_gateway(place)
        gateway.flush_to_disk(False)
        objects = small_objects(place.settings.operations)
        keys = [key for key, _ in objects]
        checks = list(islice(cycle(keys), place.settings.checks))
        os.sync()
        with _connect(place, gateway, gateway.cluster) as session:
            puts = timed(lambda item: put(session, *item), objects)
            session.end()
        with _connect(place, gateway, gateway.cluster) as session:
            hits = timed(lambda key: is_present(session, key, True), checks)
            gets = timed(lambda item: get(session, item[0], len(item[1])), objects)
            removes = timed(lambda key: remove(session, key), keys)
            session.end()
        return {
            "put": puts / len(keys) * 1e3,
            "get": gets / len(keys) * 1e3,
            "remove": removes / len(keys) * 1e3,
            "present": hits / len(checks) * 1e6,
        }


class Start(Workload):
    """How long a client of the cluster waits for the greeting, and for its first answer."""

    name = "cluster-start"
    runs = 20
    rows = (Row("greeting", "ms", at_most(60)), Row("first-answer", "ms"))

    def run(self, place: Place) -> dict[str, float]:
        gateway = make_gateway(place)
        with p2pstdio(place.side.shell, gateway.path, gateway.cluster) as session:
            first = timed(session.ask, [b"VERSION 4", b"CHECKPRESENT SHA256-s1--absent"])
            session.end()
        return {"greeting": session.started * 1e3, "first-answer": (session.started + first) * 1e3}


WORKLOADS = [
    Bulk(
        "gateway",
        "node",
        {"throughput": ratio_at_least(5), "cpu": at_most(1.2), "peak": at_most(45)},
        {"throughput": ratio_at_least(4), "cpu": at_most(0.15), "peak": at_most(45)},
    ),
    Bulk("gateway-ssh", "distant", {"own-cpu": ratio_at_most(0.1)}, {"own-cpu": ratio_at_most(0.1)}),
    Bulk("cluster", "cluster", {"throughput": ratio_at_least(5), "peak": at_most(45)}, {"peak": at_most(45)}),
    SmallToCluster(),
    Start(),
]
