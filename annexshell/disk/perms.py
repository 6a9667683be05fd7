"""Modes of the files below AD: git's core.sharedRepository, as git-annex applies it (Annex/Perms.hs).

Objects are write-protected, and in a repository that isn't shared so are the directories that hold them. Other
processes thaw and freeze these directories at any moment, so nobody may rely on their mode.
"""

from __future__ import annotations

import errno
import os
from stat import S_IMODE, S_ISGID

_ALL_WRITE = 0o222
_UNSHARED, _GROUP, _ALL, _OCTAL = "unshared", "group", "all", "octal"

_NAMES = {
    b"": _UNSHARED,
    b"umask": _UNSHARED,
    b"false": _UNSHARED,
    b"no": _UNSHARED,
    b"off": _UNSHARED,
    b"0": _UNSHARED,
    b"group": _GROUP,
    b"true": _GROUP,
    b"yes": _GROUP,
    b"on": _GROUP,
    b"1": _GROUP,
    b"all": _ALL,
    b"world": _ALL,
    b"everybody": _ALL,
    b"2": _ALL,
}
_FILE_BITS = {_GROUP: 0o660, _ALL: 0o664}
_OBJECT_BITS = {_GROUP: 0o440, _ALL: 0o444}
_OLD_OBJECT_BITS = {_GROUP: 0o660, _ALL: 0o666}
_DIRECTORY_BITS = {_GROUP: 0o770, _ALL: 0o775}


def parse_shared(value: bytes | None) -> tuple[str, int]:
    """The kind of sharing, and the mode if one was given as a number. What git does not know counts as not shared."""
    text = (value or b"").strip().lower()
    if text and not text.strip(b"01234567"):
        mode = int(text, 8)
        if mode > 2:  # 0, 1 and 2 are no modes, however many zeros precede them
            return _OCTAL, mode & 0o777
        text = b"%d" % mode
    return _NAMES.get(text, _UNSHARED), 0


class Perms:
    """Applies one repository's sharing. With `crippled` (annex.crippledfilesystem) no mode is ever changed.

    It is no error if the mode of another user's file in a shared repository can't be changed.
    """

    def __init__(self, shared: bytes | None, crippled: bool, old_objects: bool) -> None:
        self._kind, self._octal = parse_shared(shared)
        self._crippled = crippled
        self._old_objects = old_objects
        self.is_shared = self._kind != _UNSHARED
        # Whether this process can't write to a directory that is write-protected.
        self.keeps_us_out = self._kind in (_UNSHARED, _OCTAL) and not crippled and os.geteuid() != 0

    def _chmod(self, path: bytes, mode: int) -> None:
        if self._crippled:
            return
        try:
            os.chmod(path, mode)
        except PermissionError:
            if not self.is_shared:
                raise

    def _mode(self, path: bytes) -> int:
        return S_IMODE(os.stat(path).st_mode)

    def new_file(self, path: bytes) -> None:
        """Sets the mode of a lock, journal or transfer file that was just created."""
        if self._kind == _OCTAL:
            self._chmod(path, self._octal)
        elif self._kind != _UNSHARED:
            self._chmod(path, self._mode(path) | _FILE_BITS[self._kind])

    def new_directory(self, path: bytes) -> None:
        """Sets the mode of a directory that was just created."""
        if self._kind == _OCTAL:
            self._chmod(path, _with_search(self._octal) | S_ISGID)
        elif self._kind != _UNSHARED:
            self._chmod(path, self._mode(path) | _DIRECTORY_BITS[self._kind])

    def let_read(self, path: bytes) -> None:
        """Lets everybody who shares the repository read a file of git's, and execute it if its owner may."""
        if self._kind == _UNSHARED:
            return
        mode = self._mode(path)
        bits = self._octal & 0o444 if self._kind == _OCTAL else _OBJECT_BITS[self._kind]
        self._chmod(path, mode | (_with_search(bits) if mode & 0o100 else bits))

    def freeze_object(self, path: bytes, mode: int | None = None) -> None:
        """Write-protects an object, whose present `mode` may be known. Up to repository version 9 shared objects stay
        writable, since locks open them."""
        if self._kind == _OCTAL:
            self._chmod(path, self._octal if self._old_objects else self._octal & ~_ALL_WRITE)
            return
        mode = self._mode(path) if mode is None else S_IMODE(mode)
        if self._kind == _UNSHARED:
            self._chmod(path, mode & ~_ALL_WRITE | 0o400)
        elif self._old_objects:
            self._chmod(path, mode | _OLD_OBJECT_BITS[self._kind])
        else:
            self._chmod(path, mode & ~_ALL_WRITE | _OBJECT_BITS[self._kind])

    def thaw_object(self, path: bytes) -> None:
        """Makes an object writable for its owner."""
        self._chmod(path, self._mode(path) | 0o200)

    def freeze_directory(self, path: bytes) -> None:
        """Write-protects the directory of a key; a shared one stays writable, for the others' locks."""
        if self._kind == _OCTAL:
            self._chmod(path, _with_search(self._octal) & ~0o200 | S_ISGID)
        elif self._kind == _UNSHARED and (mode := self._mode(path)) & _ALL_WRITE:
            self._chmod(path, mode & ~_ALL_WRITE)

    def thaw_directory(self, path: bytes) -> None:
        """Makes the directory of a key writable. Raises FileNotFoundError when there is none.

        Upstream drops the search bits of an octal mode here, and then fails; we keep them.
        """
        mode = self._mode(path)
        if not mode & 0o200:
            self._chmod(path, mode | 0o700)


def _with_search(mode: int) -> int:
    return mode | (mode & 0o444) >> 2


def make_directories(path: bytes, top: bytes, perms: Perms) -> list[bytes]:
    """Creates `path` and what is missing above it, up to and including `top`. Returns the directories created, lowest
    last.

    What lies between may vanish at any moment, since removals tidy up behind them, so it tries a few times. Raises
    OSError.
    """
    created: list[bytes] = []
    for _ in range(10):
        try:
            os.mkdir(path)
        except FileExistsError:
            return created
        except FileNotFoundError:
            if path == top or len(path) <= len(top):
                raise
            created += make_directories(os.path.dirname(path), top, perms)
        else:
            perms.new_directory(path)
            return [*created, path]
    raise FileNotFoundError(errno.ENOENT, "a directory above it keeps being removed", path)
