"""Whether there is room for more content: annex.diskreserve (Annex/Content/LowLevel.hs)."""

from __future__ import annotations

import os

from annexshell.errors import BadKey, DiskFull
from annexshell.model.key import key_from_file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.filelock import FileLocks
    from annexshell.store.layout import Layout


class Space:
    """The free space of one repository's file system. `reserve` is in bytes."""

    def __init__(self, layout: Layout, locks: FileLocks, reserve: int) -> None:
        self._layout = layout
        self._locks = locks
        self._reserve = reserve

    def check(self, size: int | None, already: int = 0, own_info: bytes = b"") -> None:
        """Raises DiskFull if content of `size` bytes, of which `already` bytes are here, would not fit beside what
        other running downloads still need. Content of unknown size counts as one byte."""
        info = os.statvfs(self._layout.annex_dir)
        free = info.f_bavail * info.f_frsize
        needed = max(0, (1 if size is None else size) - already)
        missing = needed + self._reserve + self._promised(own_info) - free
        if missing > 0:
            raise DiskFull(
                f"not enough free space: {missing} bytes more would be needed"
                f" ({self._reserve} bytes are kept free by annex.diskreserve)"
            )

    def _promised(self, own_info: bytes) -> int:
        """What the other downloads that are running, by their files, still have to write."""
        total = 0
        directory = self._layout.annex_dir + b"/transfer/download"
        try:
            peers = os.listdir(directory)
        except OSError:
            return 0
        for peer in peers:
            if peer == b"lck":
                continue
            try:
                names = os.listdir(b"%b/%b" % (directory, peer))
            except OSError:
                continue
            for name in names:
                if not name.startswith(b"lck.") and b"%b/%b/%b" % (directory, peer, name) != own_info:
                    total += self._remaining(b"%b/%b" % (directory, peer), name)
        return total

    def _remaining(self, directory: bytes, name: bytes) -> int:
        """What one download still has to write. If nobody holds its lock, somebody died who left its file behind."""
        try:
            if not self._locks.is_exclusively_locked(b"%b/lck.%b" % (directory, name)):
                return 0
            size = key_from_file_name(name).size or 0
            with open(b"%b/%b" % (directory, name), "rb") as file:
                words = file.readline(100).split()
            return max(0, size - (int(words[1]) if len(words) > 1 else 0))
        except (OSError, BadKey, ValueError):
            return 0
