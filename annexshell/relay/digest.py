"""Hashing beside the copy: a separate thread hashes one buffer while the next is read and written.

Reading, writing and hashing all release the interpreter's lock, so that two processors share the work. `_thread` and
not `threading`, whose import every session would pay for.
"""

from __future__ import annotations

import _thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from annexshell.model.hashes import Hasher

_BUFFERS = 2


class _Slot:
    """A buffer that passes between the two threads; each lock is open while its side owns the buffer."""

    __slots__ = ("view", "count", "free", "full")

    def __init__(self, size: int) -> None:
        self.view = memoryview(bytearray(size))
        self.count = 0
        self.free = _thread.allocate_lock()
        self.full = _thread.allocate_lock()
        self.full.acquire()


class HashThread:
    """Hands out buffers to fill and hashes them in order. Without a hasher it only hands out its one buffer.

    Leaving the context waits until everything is hashed and the thread has ended, and raises what the hasher raised.
    """

    def __init__(self, hasher: Hasher | None, size: int) -> None:
        self._hasher = hasher
        self._slots = [_Slot(size) for _ in range(_BUFFERS if hasher is not None else 1)]
        self._next = 0
        self._held = False
        self._error: BaseException | None = None
        self._ended = _thread.allocate_lock()

    def __enter__(self) -> HashThread:
        if self._hasher is not None:
            self._ended.acquire()
            _thread.start_new_thread(self._run, (self._hasher,))
        return self

    def free_buffer(self) -> memoryview:
        """The next buffer to fill; waits for the hasher if it is behind. Pass its count to `hash` before the next."""
        slot = self._slots[self._next % len(self._slots)]
        if self._hasher is not None and not self._held:
            slot.free.acquire()
            self._held = True
        return slot.view

    def hash(self, count: int) -> None:
        """Has the first `count` bytes of the buffer given out last hashed; the caller may go on reading them."""
        if self._hasher is None:
            return
        slot = self._slots[self._next % len(self._slots)]
        slot.count = count
        self._next += 1
        self._held = False
        slot.full.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hasher is not None:
            self.free_buffer()
            self.hash(-1)
            self._ended.acquire()
            if self._error is not None and error is None:
                raise self._error

    def _run(self, hasher: Hasher) -> None:
        position = 0
        while True:
            slot = self._slots[position % len(self._slots)]
            slot.full.acquire()
            if slot.count < 0:
                break
            try:
                hasher.update(slot.view[: slot.count])
            except BaseException as error:  # the other thread waits for the buffer
                self._error = error
            slot.free.release()
            position += 1
        self._ended.release()
