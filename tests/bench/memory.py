"""Memory that a server may have for the asking, whatever was done on the machine before.

A virtual machine hands free memory back to its host after a second or two, and the first touch of each page then costs
more than all that git-annex does with it. So we hold as many pages as a server is going to fill, and free them just
ahead of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

_AHEAD = 128 << 20  # bytes
_STEP = 16 << 20
_BLOCK = bytes(1 << 20)


class WarmMemory:
    """Holds `size` bytes, of which `give_back` frees what somebody else is about to need.

    They are those of a file beside the ones that the server will write, which come in pieces of the same kind.
    """

    def __init__(self, directory: Path, size: int) -> None:
        self._held = size
        self._size = size
        self._fd = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC)
        for start in range(0, size, len(_BLOCK)):
            os.write(self._fd, _BLOCK[: size - start])
        self.give_back(0)

    def give_back(self, used: int) -> None:
        """Told how many bytes were moved so far, sees to it that the pages for the next ones are free."""
        wanted = max(0, self._size - used - _AHEAD)
        if self._held - wanted >= _STEP or not wanted:
            os.ftruncate(self._fd, wanted)
            self._held = wanted

    def __enter__(self) -> WarmMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
