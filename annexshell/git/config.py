"""git's configuration, read once with one child (Git/Config.hs)."""

from __future__ import annotations

import os
import time

from annexshell.errors import ChildFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from annexshell.git.program import Git

_ATTEMPTS, _PAUSE = 10, 0.05  # tries while another git holds the lock, and the seconds between them

_TRUE = (b"true", b"yes", b"on")
_FALSE = (b"false", b"no", b"off", b"")


class Config:
    """A snapshot of the configuration. Names are lower case as git prints them; values are bytes."""

    def __init__(self, pairs: Iterable[tuple[str, bytes | None]] = ()) -> None:
        self._pairs = list(pairs)
        self._values: dict[str, bytes | None] = dict(self._pairs)

    def get(self, name: str) -> bytes | None:
        """The last value of a name, or None. A name without `=` has the value `true`."""
        value = self._values.get(name, b"")
        return (value if value is not None else b"true") if name in self._values else None

    def text(self, name: str) -> bytes | None:
        """The last value of a name as text, or None. A name without `=` is empty."""
        return None if name not in self._values else self._values[name] or b""

    def flag(self, name: str, default: bool) -> bool:
        """A boolean as git reads it: numbers other than 0 are true, and words that are no boolean count as unset."""
        value = self.get(name)
        if value is None:
            return default
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        try:
            return int(word) != 0
        except ValueError:
            return default

    def number(self, name: str, default: int) -> int:
        """A plain number; anything else counts as unset."""
        try:
            return int(self.get(name) or b"")
        except ValueError:
            return default

    def size(self, name: str, default: int) -> int:
        """A size in bytes, with or without a unit: `100 MB` is 100,000,000 and `1 GiB` is 2^30. For git-annex's own
        settings; git's have git's units."""
        from annexshell.model.amounts import parse_size

        size = parse_size(os.fsdecode(self.get(name) or b""))
        return default if size is None or size < 0 else size

    def all_of(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Names that begin so, each with all its values."""
        return ((name, value or b"") for name, value in self._pairs if name.startswith(prefix))

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with a prefix, in the order of the configuration."""
        return (name for name in self._values if name.startswith(prefix))


def parse_config(data: bytes) -> Config:
    """Reads what `git config --null --list` prints."""
    pairs: list[tuple[str, bytes | None]] = []
    for entry in data.split(b"\0"):
        name, newline, value = entry.partition(b"\n")
        if name:
            pairs.append((os.fsdecode(name), value if newline else None))
    return Config(pairs)


def read_config(git: Git) -> Config:
    """The repository's configuration with everything it includes. Raises ChildFailed."""
    return parse_config(git.output("config", "--null", "--list"))


class CurrentConfig:
    """The configuration as it is now, for processes that run long: it is read again when the repository's own file has
    changed. `last` is what was read last."""

    def __init__(self, git: Git, common_dir: bytes, config: Config) -> None:
        self._git = git
        self._path = common_dir + b"/config"
        self._seen = self.identity()
        self.last = config

    def now(self) -> Config:
        """The present configuration. Raises ChildFailed."""
        seen = self.identity()
        if seen != self._seen:
            self.last = read_config(self._git)
            self._seen = seen
        return self.last

    def identity(self) -> tuple[int, int, int]:
        """A value that changes when the file is written."""
        info = os.stat(self._path)
        return (info.st_ino, info.st_size, info.st_mtime_ns)


def set_config(git: Git, name: str, value: bytes) -> None:
    """Sets a name in the repository's own configuration, replacing all its values. Raises ChildFailed."""
    _change(git, "--replace-all", "--", os.fsencode(name), value)


def unset_config(git: Git, name: str) -> None:
    """Removes all values of a name from the repository's own configuration. Raises ChildFailed."""
    _change(git, "--unset-all", "--", os.fsencode(name))


def _change(git: Git, *args: bytes | str) -> None:
    """Tries a few times, since git gives up at once while another git writes the configuration. A stale lock makes it
    fail: nobody can tell a stale lock from a slow git."""
    from annexshell.git.refs import held

    for _ in range(_ATTEMPTS):
        if git.succeeds("config", *args):
            return
        directory, _, name = git.output("rev-parse", "--git-path", "config").rstrip(b"\n").rpartition(b"/")
        obstacle = held(directory, name + b".lock")
        if not obstacle:
            break
        time.sleep(_PAUSE)
    else:
        raise ChildFailed(f"git can't change its configuration: {obstacle}")
    git.output("config", *args)  # raises with git's own words
