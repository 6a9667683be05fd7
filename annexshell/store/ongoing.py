"""The transfers of a repository that are going on, as the files show them that running transfers keep
(upstream: Logs/Transfer.hs: getTransfers)."""

from __future__ import annotations

import os

from annexshell.disk.files import read_file
from annexshell.errors import BadKey
from annexshell.model.key import key_from_file_name
from annexshell.store.layout import DOWNLOAD, UPLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from annexshell.disk.filelock import FileLocks
    from annexshell.model.key import Key
    from annexshell.store.layout import Layout


class Ongoing:
    """One transfer. `started` is in seconds since the epoch, `done` in bytes, both None where the file has none."""

    __slots__ = ("direction", "done", "file", "key", "peer", "started")

    def __init__(
        self, direction: bytes, key: Key, peer: bytes, started: float | None, done: int | None, file: bytes
    ) -> None:
        self.direction = direction
        self.key = key
        self.peer = peer  # the uuid of the other repository
        self.started = started
        self.done = done
        self.file = file


def ongoing(layout: Layout, locks: FileLocks) -> list[Ongoing]:
    """All of them. A file whose lock nobody holds was left behind, and is left out; where locks can't be seen it
    counts."""
    found = []
    for direction, peer, name in _info_files(layout.annex_dir + b"/transfer"):
        try:
            key = key_from_file_name(name)
            held = any(map(locks.is_exclusively_locked, layout.transfer_locks(direction, key, peer)))
            text = read_file(layout.transfer_info(direction, key, peer))
        except (BadKey, OSError):
            continue
        if text is not None and (held or locks.excludes_everything):
            found.append(Ongoing(direction, key, peer, *_parse(text)))
    return found


def _info_files(directory: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(direction, peer, name)."""
    for direction in (DOWNLOAD, UPLOAD):
        for peer in _names(b"%b/%b" % (directory, direction)):
            for name in _names(b"%b/%b/%b" % (directory, direction, peer)):
                if not name.startswith(b"lck."):
                    yield direction, peer, name


def _names(directory: bytes) -> list[bytes]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _parse(text: bytes) -> tuple[float | None, int | None, bytes]:
    first, _, rest = text.partition(b"\n")
    start, _, done = first.partition(b" ")
    try:
        started: float | None = float(start.removesuffix(b"s"))
    except ValueError:
        started = None
    if started is not None and not abs(started) < 1e12:  # nan and inf are no times either
        started = None
    return started, int(done) if done.isdigit() and len(done) < 1000 else None, rest.removesuffix(b"\n")
