"""Annex objects: finding and opening them (Annex/Locations.hs, Annex/Content/Presence.hs)."""

from __future__ import annotations

import os
from errno import ENAMETOOLONG, ENOENT, ENOTDIR
from stat import S_ISREG

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
    """The objects of one repository. A file whose size is not the one in its key was cut short by a crash or a bad
    disk, and does not count: because of it, somebody could remove the last good copy. In an annex.thin repository an
    object may be the file that a user is editing, and counts only while `is_unmodified` says so."""

    def __init__(self, layout: Layout, is_unmodified: Callable[[Key, bytes], bool] | None = None) -> None:
        self._layout = layout
        self._is_unmodified = is_unmodified
        self._last: tuple[Key | None, list[bytes]] = (None, [])  # one operation looks for its key several times
        self._glimpse: Callable[[bytes], int | None] | None = None

    def find(self, key: Key) -> bytes | None:
        """The path of a file in the place of the object, whatever is in it; None if there is none. Raises OSError when
        that can't be known."""
        for path in self._candidates(key):
            if _size_at(path) is not None:
                return path
        return None

    def locate(self, key: Key) -> bytes | None:
        """The path of the object, or None if there is none of the right size. Raises OSError when that can't be
        known."""
        for path in self._candidates(key):
            if fits(key, _size_at(path)):
                return path
        return None

    def _candidates(self, key: Key) -> list[bytes]:
        last = self._last
        if last[0] is not key:
            last = self._last = (key, self._layout.object_candidates(key))
        return last[1]

    def present(self, key: Key) -> bool:
        """Whether the object is here. Raises OSError when that can't be known."""
        path = self.locate(key)
        return path is not None and (self._is_unmodified is None or self._is_unmodified(key, path))

    def allow_glances(self) -> None:
        """Finds out whether `glance` can work here. May wait for the disk."""
        from annexshell.disk.glimpse import is_in_memory, size_at

        if self._is_unmodified is None and is_in_memory(self._layout.annex_dir, self._layout.objects):
            self._glimpse = size_at

    @property
    def has_glances(self) -> bool:
        """Whether `glance` mostly works."""
        return self._glimpse is not None

    def glance(self, key: Key) -> bool:
        """Like `present`, but never waits for a disk: raises BlockingIOError where it would have to."""
        glimpse = self._glimpse
        if glimpse is None:
            raise BlockingIOError
        return any(fits(key, glimpse(path)) for path in self._candidates(key))

    def is_elsewhere(self, key: Key, path: bytes) -> bool:
        """Whether there is a file in another place of the object than `path`."""
        return any(_size_at(other) is not None for other in self._candidates(key) if other != path)

    def is_at(self, key: Key, path: bytes) -> bool:
        """Whether there is an object of the right size at `path`. Raises OSError when that can't be known."""
        return fits(key, _size_at(path))

    def holds_content(self, key: Key, path: bytes) -> bool:
        """Whether the object at `path` is there and is still the content of the key."""
        return self.is_at(key, path) and (self._is_unmodified is None or self._is_unmodified(key, path))

    def open(self, key: Key) -> OpenObject | None:
        """The object, opened, or None if it is not here."""
        path = self.locate(key)
        if path is None or (self._is_unmodified is not None and not self._is_unmodified(key, path)):
            return None
        try:
            opened = OpenObject(os.open(path, os.O_RDONLY | os.O_CLOEXEC), path)
        except FileNotFoundError:
            return None
        if fits(key, opened.size):
            return opened
        opened.close()
        return None


def fits(key: Key, size: int | None) -> bool:
    """Whether a file of so many bytes, or none, can be the content of a key."""
    if size is None or size < 0 or not key.fits(size):
        return False
    return size > 0 or key.size == 0 or _may_be_empty(key)


def _may_be_empty(key: Key) -> bool:
    """Whether nothing can be the content of a key that does not tell its size. Its hash tells: most files that crashes
    damage are empty afterwards."""
    from annexshell.model.hashes import hasher_for, matches

    return matches(key, hasher_for(key), 0)


def _size_at(path: bytes) -> int | None:
    """The size of a file in bytes, -1 if it is a directory or something else, None if there is nothing."""
    try:
        info = os.stat(path)
        return info.st_size if S_ISREG(info.st_mode) else -1
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
    except ValueError:  # a NUL in the key: no file is called so
        return None
