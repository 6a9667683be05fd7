"""Annex objects: finding and opening them (Annex/Locations.hs, Annex/Content/Presence.hs)."""

from __future__ import annotations

import os
from errno import ENAMETOOLONG, ENOENT, ENOTDIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.key import Key
    from annexshell.store.layout import Layout

_ABSENT = (ENOENT, ENOTDIR, ENAMETOOLONG)


class OpenObject:
    """An object opened for reading. Its bytes stay readable even when somebody removes it meanwhile."""

    def __init__(self, fd: int, path: bytes) -> None:
        self.fd = fd
        self.path = path
        self._seen = self._identity()
        self.size = self._seen[1]

    def _identity(self) -> tuple[int, int, int]:
        info = os.fstat(self.fd)
        return (info.st_ino, info.st_size, info.st_mtime_ns)

    def is_unchanged(self) -> bool:
        """Whether nobody wrote to the file since it was opened."""
        return self._identity() == self._seen

    def close(self) -> None:
        os.close(self.fd)


class Objects:
    """The objects of one repository. In an annex.thin repository an object may be the file that a user is editing, so
    that it counts only while `is_unmodified` says so."""

    def __init__(self, layout: Layout, is_unmodified: Callable[[Key, bytes], bool] | None = None) -> None:
        self._layout = layout
        self._is_unmodified = is_unmodified
        self._last: tuple[Key | None, list[bytes]] = (None, [])  # one operation looks for its key several times

    def find(self, key: Key) -> bytes | None:
        """The path of the object, or None if there is no such file. Raises OSError when that can't be known."""
        for path in self._candidates(key):
            try:
                os.stat(path)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
            except ValueError:  # a NUL in the key: no file is called so
                return None
            else:
                return path
        return None

    def _candidates(self, key: Key) -> list[bytes]:
        last = self._last
        if last[0] is not key:
            last = self._last = (key, self._layout.object_candidates(key))
        return last[1]

    def present(self, key: Key) -> bool:
        """Whether the content is here. Raises OSError when that can't be known."""
        path = self.find(key)
        return path is not None and (self._is_unmodified is None or self._is_unmodified(key, path))

    def holds_content(self, key: Key, path: bytes) -> bool:
        """Whether the object at `path` is there and is still the content of the key."""
        if self._is_unmodified is None:
            return os.path.exists(path)
        return self._is_unmodified(key, path)

    def open(self, key: Key) -> OpenObject | None:
        """The object, opened, or None if the content is not here."""
        path = self.find(key)
        if path is None or (self._is_unmodified is not None and not self._is_unmodified(key, path)):
            return None
        try:
            return OpenObject(os.open(path, os.O_RDONLY | os.O_CLOEXEC), path)
        except FileNotFoundError:
            return None
