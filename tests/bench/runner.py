"""Runs workloads in all places, interleaved: what disturbs the machine for a while disturbs every side alike."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tests.bench.model import OURS, Place, Row, Settings, Side, Workload
from tests.bench.repositories import make_repository


@dataclass(frozen=True)
class Figures:
    """What was measured for one row in one place."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def spread(self) -> float:
        """Half the distance of the quartiles, as a fraction of the median."""
        if len(self.samples) < 2 or not self.median:
            return 0.0
        low, _, high = quantiles(self.samples, method="inclusive")
        return (high - low) / 2 / self.median


@dataclass(frozen=True)
class Result:
    """One line of the table: the figures of each side by its name, in repositories of `keys` keys."""

    workload: str
    row: Row
    keys: int
    figures: dict[str, Figures]

    @property
    def name(self) -> str:
        return f"{self.workload}/{self.row.name}" + (f" @{self.keys}" if self.keys else "")


def run_all(
    workloads: Sequence[Workload], sides: Sequence[Side], settings: Settings, directory: Path
) -> Iterator[list[Result]]:
    """The results of one workload after the other. `directory` keeps repositories and files for further runs."""
    shared = directory / "shared"
    shared.mkdir(parents=True, exist_ok=True)
    for workload in workloads:
        scales = (0, settings.keys) if workload.large else (0,)
        places = [
            _place(side, settings, directory, keys, shared) for keys in scales for side in _sides(workload, sides)
        ]
        yield _run(workload, places, settings)


def _sides(workload: Workload, sides: Sequence[Side]) -> Sequence[Side]:
    return [side for side in sides if side.name == OURS or not workload.ours_alone]


def _place(side: Side, settings: Settings, directory: Path, keys: int, shared: Path) -> Place:
    repository = directory / f"{side.name}-{keys}.git"
    return Place(side, settings, repository, make_repository(repository, keys), keys, shared)


def _run(workload: Workload, places: Sequence[Place], settings: Settings) -> list[Result]:
    samples: dict[Place, list[dict[str, float]]] = {place: [] for place in places}
    runs = workload.runs if settings.runs is None else settings.runs
    for number in range(runs + settings.warm_up):
        for place in places:
            gc.collect()
            figures = workload.run(place)
            if number >= settings.warm_up:
                samples[place].append(figures)
    return [
        Result(
            workload.name,
            row,
            keys,
            {
                place.side.name: Figures(tuple(figures[row.name] for figures in samples[place]))
                for place in places
                if place.keys == keys
            },
        )
        for keys in dict.fromkeys(place.keys for place in places)
        for row in workload.rows
    ]
