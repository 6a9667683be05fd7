"""What the benchmark is made of: sides that are compared, places where they are measured, workloads, rows of figures.

A workload is a class in a module of `workloads`. It names the rows that it yields, and one run of it in one place
returns a figure for each; the runner interleaves the sides, drops the warm-up and takes medians.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.real import run

GIB = 1 << 30
OURS, THEIRS = "ours", "git-annex"


class BenchError(Exception):
    """A server did not do what it was asked to, so that its figures would mean nothing."""


@dataclass(frozen=True)
class Goal:
    """A bound for our figure, or for its ratio to theirs."""

    at_most: float | None = None
    at_least: float | None = None
    is_ratio: bool = False

    def is_met(self, ours: float, ratio: float | None) -> bool | None:
        """None where there is nothing to judge."""
        figure = ratio if self.is_ratio else ours
        if figure is None:
            return None
        return (self.at_most is None or figure <= self.at_most) and (self.at_least is None or figure >= self.at_least)

    def __str__(self) -> str:
        sign, bound = (">=", self.at_least) if self.at_most is None else ("<=", self.at_most)
        return f"{sign} {bound:g}{'x' if self.is_ratio else ''}"


def at_most(bound: float) -> Goal:
    return Goal(at_most=bound)


def at_least(bound: float) -> Goal:
    return Goal(at_least=bound)


def ratio_at_most(bound: float) -> Goal:
    return Goal(at_most=bound, is_ratio=True)


def ratio_at_least(bound: float) -> Goal:
    return Goal(at_least=bound, is_ratio=True)


@dataclass(frozen=True)
class Row:
    """A line of the table; it is shown as WORKLOAD/NAME."""

    name: str
    unit: str
    goal: Goal | None = None


@dataclass(frozen=True)
class Settings:
    """How much is done. `runs` overrides what each workload wants; one more run before them warms up."""

    size: int = GIB  # bytes of the big object
    operations: int = 500  # small objects stored, fetched and removed in a run
    checks: int = 3000  # CHECKPRESENT in a run
    keys: int = 100_000  # in the large repository
    seconds: float = 4.0  # of requests over HTTP in a run
    connections: int = 10_000  # over HTTP on which nothing comes
    runs: int | None = None
    warm_up: bool = True


QUICK = Settings(size=64 << 20, operations=50, checks=500, keys=2000, seconds=1.0, connections=1000, runs=3)


@dataclass(frozen=True)
class Side:
    """One of those that are compared, by its git-annex-shell."""

    name: str
    shell: Path


@dataclass(frozen=True)
class Place:
    """A repository that only one side uses, with `keys` keys in it from the beginning. `shared` is a directory for what
    is the same for all places."""

    side: Side
    settings: Settings
    repository: Path
    uuid: str
    keys: int
    shared: Path

    def flush_to_disk(self, wanted: bool) -> None:
        """Sets whether what is stored has to be flushed. The original never does so whatever this says."""
        if wanted:
            run("git", "config", "--unset-all", "core.fsync", cwd=self.repository, check=False)
        else:
            run("git", "config", "core.fsync", "none", cwd=self.repository)


class Workload(ABC):
    """Something for a server to do. With `large` it is repeated in a repository with many keys. `programs` are those
    that it needs besides git and git-annex."""

    name: str
    rows: Sequence[Row]
    runs = 5
    large = False
    ours_alone = False  # where the original has nothing like it
    programs: Sequence[str] = ()

    @property
    def missing(self) -> list[str]:
        """The programs that are not on PATH."""
        return [name for name in self.programs if shutil.which(name) is None]

    @abstractmethod
    def run(self, place: Place) -> dict[str, float]:
        """Does it once and leaves the repository as it was; returns a figure for each of the rows."""
