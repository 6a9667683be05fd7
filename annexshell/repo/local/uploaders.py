"""Which user stored which key: the location log knows no users, so that quotas need a record of their own.

AD/annexshell/uploaders has a line for each upload: size in bytes, user, key. Lines are only ever added, so that the sum
is as much as a user has stored, or more: objects that are gone still count, whoever removed them. Before anybody is
refused because of it, the lines are compared with what is there, and outdated ones go. The file may be deleted at any
time, which forgets who stored what.
"""

from __future__ import annotations

import os
import time
from urllib.parse import quote_from_bytes, unquote_to_bytes

from annexshell.disk.files import replace_file
from annexshell.disk.perms import make_directories
from annexshell.errors import BadKey
from annexshell.model.key import parse_key
from annexshell.model.ownfiles import OwnFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annexshell.disk.filelock import Lock
    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts

    Entry = tuple[int, bytes, bytes]  # size in bytes, user, key

_PATIENCE = 120.0  # seconds; to compare takes a while where there are many
_SHARE = 10  # how many times as long as comparing takes it is to the next time


class Uploaders:
    """The record of one repository, read as it grows. One thread at a time may ask it; any may `note`."""

    def __init__(self, parts: Parts) -> None:
        self._annex_dir = parts.paths.annex_dir
        self._path = OwnFiles(self._annex_dir).uploaders
        self._locks = parts.annex.locks
        self._perms = parts.annex.perms
        self._file: object = None  # which file has been read, and
        self._offset = 0  # how far
        self._by_user: dict[bytes, int] = {}
        self._unsized = 0
        self._next_comparison = 0.0  # monotonic seconds

    def note(self, size: int, user: bytes, key: Key) -> None:
        """Notes that a user has stored a key. Raises OSError, LockTimeout."""
        line = b"%d %b %b\n" % (size, quote_from_bytes(user).encode(), key.serialized)
        with self._lock(), open(self._path, "ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            if not before:
                self._perms.new_file(self._path)
            if file.write(line) != len(line):
                file.truncate(before)

    def of(self, user: bytes) -> int:
        """Bytes that a user has stored, or more."""
        self._read_on()
        return self._by_user.get(user, 0)

    def unsized(self) -> int:
        """Bytes of the objects whose keys don't tell their size, or more."""
        self._read_on()
        return self._unsized

    def compare(self, is_present: Callable[[Key], bool]) -> bool:
        """Drops outdated lines; returns whether it did, since that is not done too often."""
        if time.monotonic() < self._next_comparison:
            return False
        began = time.monotonic()
        try:
            with self._lock():
                self._rewrite(is_present)
        finally:
            now = time.monotonic()
            self._next_comparison = now + _SHARE * (now - began)
        return True

    def _lock(self) -> Lock:
        make_directories(os.path.dirname(self._path), self._annex_dir, self._perms)
        return self._locks.exclusive(self._path + b".lck", _PATIENCE)

    def _read_on(self) -> None:
        """Reads what has been added, or everything if there is another file."""
        try:
            file = open(self._path, "rb")
        except FileNotFoundError:
            self._forget(None)
            return
        with file:
            info = os.fstat(file.fileno())
            if self._file != (info.st_dev, info.st_ino) or info.st_size < self._offset:
                self._forget((info.st_dev, info.st_ino))
            file.seek(self._offset)
            for line in file:
                if line.endswith(b"\n"):
                    self._offset += len(line)
                    self._count(line)

    def _forget(self, file: object) -> None:
        self._file, self._offset, self._by_user, self._unsized = file, 0, {}, 0

    def _count(self, line: bytes) -> None:
        for size, user, name in _entries([line]):
            self._by_user[user] = self._by_user.get(user, 0) + size
            if parse_key(name).size is None:
                self._unsized += size

    def _rewrite(self, is_present: Callable[[Key], bool]) -> None:
        try:
            with open(self._path, "rb") as file:
                newest = {key: (size, user) for size, user, key in _entries(file)}
        except FileNotFoundError:
            return
        lines = (
            b"%d %b %b\n" % (size, quote_from_bytes(user).encode(), key)
            for key, (size, user) in newest.items()
            if is_present(parse_key(key))
        )
        replace_file(self._path, lines, self._perms.new_file)


def _entries(lines: Iterable[bytes]) -> Iterable[Entry]:
    """What lines say; one that is damaged says nothing."""
    for line in lines:
        size, _, rest = line.rstrip(b"\n").partition(b" ")
        user, _, key = rest.partition(b" ")
        try:
            parse_key(key)
        except BadKey:
            continue
        if size.isdigit() and len(size) < 1000:  # as in keys
            yield int(size), unquote_to_bytes(user), key
