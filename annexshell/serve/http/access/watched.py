"""Files that administrators change while a server runs."""

from __future__ import annotations

import os
import time
from typing import Generic, TypeVar

from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

_PAUSE = 1.0  # seconds between two looks at the file
_LARGEST = 16 << 20  # bytes


class Watched(Generic[Value]):
    """What a file says, kept up with it. `parse` raises BadUsage for what makes no sense: then what it said before goes
    on to count, and `warn` is told. Raises BadUsage if that is so from the beginning."""

    def __init__(self, path: str, parse: Callable[[bytes], Value], warn: Callable[[str], None]) -> None:
        self._path = path
        self._parse = parse
        self._warn = warn
        self._looked = time.monotonic()
        self._identity = self._identify()
        self._value = self._read()

    def current(self) -> Value:
        """The file is small, and mostly nothing but its state is looked at: that is not worth a thread."""
        now = time.monotonic()
        if now - self._looked >= _PAUSE:
            self._looked = now
            identity = self._identify()
            if identity != self._identity:
                self._identity = identity
                try:
                    self._value = self._read()
                except BadUsage as error:
                    self._warn(f"{error}; what it said before still counts")
        return self._value

    def _identify(self) -> tuple[int, ...]:
        """Empty if it can't be had."""
        try:
            state = os.stat(self._path)
        except OSError:
            return ()
        return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns

    def _read(self) -> Value:
        try:
            with open(self._path, "rb") as file:
                data = file.read(_LARGEST + 1)
        except OSError as error:
            raise BadUsage(f"{self._path} can't be read: {error.strerror}") from None
        if len(data) > _LARGEST:
            raise BadUsage(f"{self._path} is too large")
        try:
            return self._parse(data)
        except BadUsage as error:
            raise BadUsage(f"{self._path}: {error}") from None
