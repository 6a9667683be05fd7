"""Memory that all processes of a server share: each worker has a slot in it, where it counts what it does.

Only the worker writes its slot, so that counting takes no lock; anybody adds the slots up. What was counted stays when
a worker ends, however it does: the next one goes on from there. It is memory without a file, which goes with the last
process that has it.
"""

from __future__ import annotations

import json
import mmap
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Row = memoryview[float]

SLOTS = 64  # more workers than that at once, old ones that are finishing included, are not counted
MAX_REPOSITORIES = 1000  # what concerns further ones is counted under no name
ROW_FIELDS = 16  # numbers for each repository
NAME_BYTES = 64  # of a repository's uuid
HISTORY = 240  # steps of time for which it is kept what was sent and received
STEP = 15.0  # seconds
_NOTE_BYTES = 1 << 16

# Where things are, in numbers of 8 bytes.
_PID, _BEAT, _NOTE_VERSION, _NOTE_LENGTH, _ROWS = range(5)
_NUMBERS = 5
_NAME = NAME_BYTES // 8


class Shape:
    """How much there is to count in a slot: so many numbers for the worker, and for each repository."""

    def __init__(self, numbers: int) -> None:
        self.numbers = numbers
        self.history = _NUMBERS + numbers
        self.rows = self.history + 3 * HISTORY
        self.note = self.rows + (MAX_REPOSITORIES + 1) * (_NAME + ROW_FIELDS)
        self.size = self.note + _NOTE_BYTES // 8


class Scoreboard:
    """The slots. It is to be made before the workers are forked."""

    def __init__(self, numbers: int) -> None:
        self._shape = Shape(numbers)
        self._memory = mmap.mmap(-1, 8 * self._shape.size * SLOTS)
        self._view = memoryview(self._memory)

    def _slot(self, number: int) -> Slot:
        size = 8 * self._shape.size
        return Slot(self._view[number * size : (number + 1) * size], self._shape)

    @property
    def slots(self) -> list[Slot]:
        """Those that have ever been used."""
        return [slot for slot in map(self._slot, range(SLOTS)) if slot.was_used]

    def take(self) -> Slot | None:
        """A free slot for a worker that is about to start, None if there is none."""
        for number in range(SLOTS):
            slot = self._slot(number)
            if not slot.is_taken:
                slot.begin()
                return slot
        return None


class Slot:
    """The part of one worker. `numbers` are what it counts."""

    def __init__(self, memory: memoryview, shape: Shape) -> None:
        self._shape = shape
        self._all = memory.cast("d")
        self._bytes = memory
        self.numbers = self._all[_NUMBERS : _NUMBERS + shape.numbers]
        self._rows: dict[bytes, Row] = {}

    @property
    def was_used(self) -> bool:
        return self._all[_PID] != 0

    @property
    def is_taken(self) -> bool:
        return self._all[_PID] > 0

    @property
    def beat_age(self) -> float:
        """Seconds since the worker gave a sign of life."""
        return time.monotonic() - self._all[_BEAT]

    def begin(self) -> None:
        """For a worker that is about to start, which counts as a sign of life."""
        self._all[_PID] = 1.0
        self.beat()

    def end(self) -> None:
        """The worker is gone. What it was doing is not done any more."""
        self.write_note([])
        self._all[_PID] = -1.0

    def beat(self) -> None:
        self._all[_BEAT] = time.monotonic()

    def row(self, name: bytes) -> Row:
        """What is counted for a repository; that of the name that is empty if there are too many."""
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = self._find_row(name)
        return row

    def _find_row(self, name: bytes) -> Row:
        known = int(self._all[_ROWS])
        padded = name.ljust(NAME_BYTES, b"\0")
        for number in range(known):
            if self._name_of(number) == name:
                return self._row_at(number)
        if known >= MAX_REPOSITORIES or len(padded) > NAME_BYTES or not name:
            return self._row_at(MAX_REPOSITORIES)
        start = 8 * self._row_start(known)
        self._bytes[start : start + NAME_BYTES] = padded
        self._all[_ROWS] = known + 1
        return self._row_at(known)

    def _row_start(self, number: int) -> int:
        return self._shape.rows + number * (_NAME + ROW_FIELDS)

    def _row_at(self, number: int) -> Row:
        start = self._row_start(number) + _NAME
        return self._all[start : start + ROW_FIELDS]

    def _name_of(self, number: int) -> bytes:
        start = 8 * self._row_start(number)
        return bytes(self._bytes[start : start + NAME_BYTES]).rstrip(b"\0")

    def rows(self) -> dict[bytes, Row]:
        """All that is counted for repositories, by their uuid; that of no uuid is for all others."""
        found = {self._name_of(number): self._row_at(number) for number in range(int(self._all[_ROWS]))}
        found[b""] = self._row_at(MAX_REPOSITORIES)
        return found

    def moved(self, received: float, sent: float) -> None:
        """Notes bytes in the history."""
        step = int(time.time() // STEP)
        at = self._shape.history + 3 * (step % HISTORY)
        if self._all[at] != step:
            self._all[at + 1] = self._all[at + 2] = 0.0
            self._all[at] = step
        self._all[at + 1] += received
        self._all[at + 2] += sent

    def history(self) -> dict[int, tuple[float, float]]:
        """(received, sent) bytes by step of time."""
        start, end = self._shape.history, self._shape.rows
        cells = self._all[start:end].tolist()
        return {int(cells[i]): (cells[i + 1], cells[i + 2]) for i in range(0, len(cells), 3) if cells[i]}

    def write_note(self, value: list[Any]) -> None:
        """Shows something to the other processes: what of the list there is room for."""
        data = json.dumps(value).encode()
        while len(data) > _NOTE_BYTES:
            value = value[: len(value) // 2]
            data = json.dumps(value).encode()
        start = 8 * self._shape.note
        odd = int(self._all[_NOTE_VERSION]) | 1  # while it is being written, which may have been interrupted last time
        self._all[_NOTE_VERSION] = odd
        self._bytes[start : start + len(data)] = data
        self._all[_NOTE_LENGTH] = len(data)
        self._all[_NOTE_VERSION] = odd + 1

    def read_note(self) -> list[Any]:
        """What the worker shows; empty if it keeps changing."""
        start = 8 * self._shape.note
        for _ in range(5):
            version = self._all[_NOTE_VERSION]
            data = bytes(self._bytes[start : start + int(self._all[_NOTE_LENGTH])])
            if data and version % 2 == 0 and self._all[_NOTE_VERSION] == version:
                found: list[Any] = json.loads(data)
                return found
        return []
