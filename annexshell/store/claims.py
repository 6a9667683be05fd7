"""Who relies on the retention of an object: the claims, in the file `OBJ.rtl`, which git-annex locks and leaves empty.

The time stamp beside the object has room for the latest deadline only. A client that lost its connection may rely on an
earlier one, which must be found again when those that came after it have unlocked. So each lock notes its deadline
here, and what became of it: a slot of fixed size, that one write makes or changes. All of it may be lost when the power
fails, since nobody has unlocked anything then: the time stamp is as late as the latest of them.
"""

from __future__ import annotations

import os

_HELD, _RELEASED = b"+", b"-"
_DIGITS = 20
_SIZE = _DIGITS + 2


class Claims:
    """The claims on one object: deadlines in nanoseconds since the epoch, and whether each is released. Raises OSError.
    Whoever has one of these holds the lock on `.rtl`, or the content lock exclusively."""

    def __init__(self, path: bytes) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._slots = _parse(_read_all(self._fd))
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def __contains__(self, deadline: int) -> bool:
        return any(known == deadline for known, _ in self._slots)

    def is_released(self, deadline: int) -> bool:
        return (deadline, _RELEASED) in self._slots

    def latest_held(self) -> int:
        """The latest deadline that somebody may still rely on; 0 if there is none."""
        return max((deadline for deadline, state in self._slots if state == _HELD), default=0)

    def add(self, deadline: int, now: int, current: int | None) -> None:
        """Notes a claim, in place of one that is of no more use: over, or released and not the time stamp's
        `current` one."""
        for number, (known, state) in enumerate(self._slots):
            if known < now or (state == _RELEASED and known != current):
                self._put(number, deadline, _HELD)
                return
        self._slots.append((0, _RELEASED))
        self._put(len(self._slots) - 1, deadline, _HELD)

    def release(self, deadline: int) -> None:
        """Nobody relies on this deadline any more."""
        for number, (known, _) in enumerate(self._slots):
            if known == deadline:
                self._put(number, deadline, _RELEASED)

    def _put(self, number: int, deadline: int, state: bytes) -> None:
        self._slots[number] = (deadline, state)
        os.pwrite(self._fd, b"%0*d%b\n" % (_DIGITS, deadline, state), number * _SIZE)


def _read_all(fd: int) -> bytes:
    data = b""
    while piece := os.pread(fd, 1 << 16, len(data)):
        data += piece
    return data


def _parse(data: bytes) -> list[tuple[int, bytes]]:
    """What is no claim is a free slot."""
    slots = []
    for start in range(0, len(data), _SIZE):
        slot = data[start : start + _SIZE]
        digits, state, end = slot[:_DIGITS], slot[_DIGITS:-1], slot[-1:]
        valid = len(slot) == _SIZE and digits.isdigit() and state in (_HELD, _RELEASED) and end == b"\n"
        slots.append((int(digits), state) if valid else (0, _RELEASED))
    return slots
