"""What was promised to clients, and when: pure bookkeeping, of which the verdicts are made at the end.

Times are monotonic seconds. A place is the uuid of a repository, or of a cluster, which has what any of its nodes has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

FOREVER = float("inf")
Spot = tuple[str, str]  # (key, place)


@dataclass
class Span:
    """Something that was asked for at `began`, and answered at `ended`; `done` if the answer was yes."""

    key: str
    places: frozenset[str]
    began: float = field(default_factory=time.monotonic)
    ended: float = FOREVER
    done: bool = False
    foreign: bool = False  # it was a session of the original

    def answer(self, done: bool) -> None:
        self.done = done
        self.ended = time.monotonic()


class Ledger:
    """Any thread may write. `nodes` are the places that a cluster consists of, by its uuid."""

    def __init__(self, clusters: dict[str, set[str]]) -> None:
        self._clusters = clusters
        self._lock = threading.Lock()
        self.stores: list[Span] = []
        self.removals: list[Span] = []
        self.holds: list[Span] = []  # began when they were granted
        self.broken: list[str] = []  # promises that were seen to be broken while it went on
        self.foreign: set[Spot] = set()  # what the original was asked for, whose sessions are cut as well
        self.counts: dict[str, int] = {}
        self._history: list[tuple[float, str]] = []
        self._start = time.monotonic()

    def store(self, key: str, places: Iterable[str], began: float) -> None:
        """An upload that was acknowledged just now, for all these places."""
        span = Span(key, frozenset(places), began)
        span.answer(True)
        with self._lock:
            self.stores.append(span)

    def remove(self, key: str, place: str, foreign: bool = False) -> Span:
        """A removal that is about to be asked for. It also counts as one from each node of a cluster, and what is taken
        from a node as taken from its clusters."""
        nodes = self._clusters.get(place, set())
        around = {cluster for cluster, members in self._clusters.items() if place in members}
        span = Span(key, frozenset({place} | nodes | around), foreign=foreign)
        with self._lock:
            self.removals.append(span)
        return span

    def hold(self, key: str, place: str, foreign: bool = False) -> Span:
        """A lock that was granted just now. It is over when it is answered."""
        span = Span(key, frozenset({place}), foreign=foreign)
        with self._lock:
            self.holds.append(span)
        return span

    def accuse(self, text: str) -> None:
        with self._lock:
            self.broken.append(text)

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def tell(self, text: str) -> None:
        """Something that may explain later what was found."""
        with self._lock:
            self._history.append((time.monotonic() - self._start, text))

    def history(self, key: str) -> list[str]:
        """What was told about a key, and about no key in the seconds around that."""
        about = [when for when, text in self._history if key in text]
        return [
            f"{when:8.3f} {text}"
            for when, text in sorted(self._history)
            if key in text or ("--" not in text and any(abs(when - other) < 1 for other in about))
        ]

    def promised(self) -> set[Spot]:
        """What has to be there: uploads that were acknowledged, and that no removal can have undone."""
        removed: dict[Spot, float] = {}
        for removal in self.removals:
            end = removal.ended
            for place in removal.places:
                removed[removal.key, place] = max(end, removed.get((removal.key, place), 0.0))
        return {
            (store.key, place)
            for store in self.stores
            for place in store.places
            if removed.get((store.key, place), 0.0) < store.began
        }

    def locked_and_removed(self) -> list[Spot]:
        """Removals that were granted between the grant of a lock and its end. What the original does to its own locks
        is left out."""
        return [
            (removal.key, place)
            for removal in self.removals
            if removal.done
            for hold in self.holds
            if hold.key == removal.key
            and not (hold.foreign and removal.foreign)
            and hold.began < removal.began
            and removal.ended < hold.ended
            for place in hold.places & removal.places
            if place not in self._clusters
        ]
