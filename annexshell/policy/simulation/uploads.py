"""Uploads to a cluster, placed as a gateway places them, and what the nodes move and drop later. Pure."""

from __future__ import annotations

from array import array

from annexshell.policy.placement import wanting as placed
from annexshell.policy.preferred import wish_of
from annexshell.policy.simulation.filling import Filling
from annexshell.policy.snapshot import UNTRUSTED, Subject
from annexshell.policy.terms import anything

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from annexshell.model.key import Key
    from annexshell.policy.placement import PlacementRules
    from annexshell.policy.simulation.contents import Contents
    from annexshell.policy.simulation.setting import Setting
    from annexshell.policy.snapshot import Test

_OFTEN = 1000  # uploads between two reports of the progress


class Moves:
    """What one round of changes moved: numbers of contents, and bytes."""

    def __init__(self) -> None:
        self.copied = self.copied_bytes = self.dropped = self.dropped_bytes = self.lost = 0

    def __bool__(self) -> bool:
        return bool(self.copied or self.dropped)


class Uploads:
    """The nodes, in the order in which they are asked, and all that is on them. `sizes` are the bytes that they hold at
    first. Uploads go where policy.nodes.put_targets sends them. `tell` is called with the number of contents done."""

    def __init__(
        self,
        setting: Setting,
        nodes: Sequence[bytes],
        contents: Contents,
        sizes: Mapping[bytes, int],
        rules: PlacementRules,
        tell: Callable[[int], None] = lambda _done: None,
    ) -> None:
        self.setting = setting
        self.nodes = list(nodes)
        self.counts = dict.fromkeys(nodes, 0)
        self.unwanted = 0  # uploads that no node wanted, which therefore went to all
        self._contents = contents
        self._rules = rules
        self._last: dict[str, bytes] = {}
        self._tell = tell
        self._places: array[int] = array("L")  # of each content, by number in:
        self._sets: list[tuple[bytes, ...]] = []
        self._numbers: dict[tuple[bytes, ...], int] = {}
        self.filling = Filling({uuid: sizes.get(uuid, 0) for uuid in {*setting.names.values(), *nodes}}, setting.maxima)
        self._look()

    def upload(self) -> None:
        """Uploads everything."""
        snapshot = self.setting.snapshot()
        chosen: dict[int, int] = {}  # by their bits: the number of the nodes
        filling, counts, places, sets = self.filling, self.counts, self._places, self._sets
        for _, (key, file) in self._progress():
            subject = Subject(snapshot, key, file, (), filling)
            if self._rules:
                wanting = snapshot.mask(placed(subject, self.nodes, self._rules, self._last))
            else:
                wanting = self._wanting(subject)
            if not wanting:
                self.unwanted += 1
                wanting = self._all
            number = chosen.get(wanting)
            if number is None:
                number = self._number(tuple(uuid for uuid in self.nodes if wanting & snapshot.bit(uuid)))
                chosen[wanting] = number
            places.append(number)
            for uuid in sets[number]:
                counts[uuid] += 1
                filling.add(uuid, key.size or 0)

    def change(self, setting: Setting, nodes: Sequence[bytes]) -> int:
        """Goes on with other settings and nodes. What was on nodes that are gone is gone; returns how many contents
        were nowhere else, and are lost."""
        gone = set(self.nodes) - set(nodes)
        sizes = {uuid: size for uuid, size in self.filling.sizes.items() if uuid not in gone}
        self.filling = Filling({**dict.fromkeys(nodes, 0), **sizes}, setting.maxima)
        self.setting, self.nodes = setting, list(nodes)
        self.counts = {uuid: self.counts.get(uuid, 0) for uuid in nodes}
        self._look()
        renumbered = [self._number(tuple(uuid for uuid in places if uuid not in gone)) for places in list(self._sets)]
        lost = 0
        for index, number in enumerate(self._places):
            if not self._sets[renumbered[number]] and self._sets[number]:
                lost += 1
            self._places[index] = renumbered[number]
        return lost

    def settle(self) -> Moves:
        """One round of what `git annex sync --content` does: each node gets what it wants and lacks, and drops what it
        does not want if enough copies remain."""
        moves = Moves()
        for done, (key, file) in self._progress():
            before = self._sets[self._places[done]]
            if not before:
                continue
            size = key.size or 0
            places = self._with_those_that_lack_it(key, file, before)
            kept = self._without_those_that_drop_it(key, file, places)
            moves.copied += len(places) - len(before)
            moves.copied_bytes += (len(places) - len(before)) * size
            moves.dropped += len(places) - len(kept)
            moves.dropped_bytes += (len(places) - len(kept)) * size
            if kept is not before:
                self._places[done] = self._number(tuple(uuid for uuid in self.nodes if uuid in kept))
        return moves

    def _with_those_that_lack_it(self, key: Key, file: str, places: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Adds the nodes that want a content, one after the other, since each changes what the next one wants."""
        rest = self._all & ~self.setting.snapshot().mask(places)
        while wanting := self._wanting(self._subject(key, file, places)) & rest:
            uuid = next(uuid for uuid in self.nodes if wanting & self.setting.snapshot().bit(uuid))
            rest &= ~self.setting.snapshot().bit(uuid)
            self._moved(uuid, key.size or 0, 1)
            places = (*places, uuid)
        return places

    def _without_those_that_drop_it(self, key: Key, file: str, places: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Takes away the nodes that do not want a content and may drop it."""
        for uuid in places:
            others = tuple(other for other in places if other != uuid)
            reliable = [other for other in others if self.setting.trust.get(other) != UNTRUSTED]
            if len(reliable) >= self.setting.copies:
                wanting = self._wanting(self._subject(key, file, places, uuid))
                if not wanting & self.setting.snapshot().bit(uuid):
                    self._moved(uuid, -(key.size or 0), -1)
                    places = others
        return places

    def _subject(self, key: Key, file: str, places: Collection[bytes], leaving: bytes = b"") -> Subject:
        return Subject(self.setting.snapshot(), key, file, places, self.filling, leaving)

    def _wanting(self, subject: Subject) -> int:
        """The bits of the nodes that want a content."""
        wanting = 0
        for test, bits in self._wishes:
            wanting |= test(subject) & bits
        return wanting

    def _moved(self, uuid: bytes, size: int, number: int) -> None:
        self.counts[uuid] += number
        self.filling.add(uuid, size)

    def _look(self) -> None:
        """Collects the tests of the nodes' expressions, each with the bits of the nodes that share it. A node that has
        not said what it wants, wants everything."""
        snapshot = self.setting.snapshot()
        bits: dict[Test, int] = {}
        for uuid in self.nodes:
            test = wish_of(snapshot, uuid) or anything
            bits[test] = bits.get(test, 0) | snapshot.bit(uuid)
        self._wishes = list(bits.items())
        self._all = snapshot.mask(self.nodes)

    def _number(self, places: tuple[bytes, ...]) -> int:
        number = self._numbers.get(places)
        if number is None:
            number = self._numbers[places] = len(self._sets)
            self._sets.append(places)
        return number

    def _progress(self) -> Iterator[tuple[int, tuple[Key, str]]]:
        for done, content in enumerate(self._contents):
            if not done % _OFTEN:
                self._tell(done)
            yield done, content
        self._tell(self._contents.count)
