"""Nodes that did not answer lately, for all processes of a gateway: they are asked last, or not at all if others
suffice.

A file for each such node holds the seconds for which it is left alone, counted from the file's time of change. It is
deleted as soon as the node has answered.
"""

from __future__ import annotations

import os
import time

from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories
from annexshell.model.ownfiles import OwnFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.perms import Perms

SLOW = 2.0  # seconds: a node that fails faster keeps nobody waiting
_SHORTEST, _LONGEST = 10.0, 1800.0  # seconds that a node is left alone


class Silence:
    """Notes in the annexshell directory of a repository. Not being able to note anything is no reason to fail."""

    def __init__(self, annex_dir: bytes, perms: Perms) -> None:
        self._annex_dir = annex_dir
        self._path = OwnFiles(annex_dir).silent
        self._perms = perms

    def is_noted(self, uuid: bytes) -> bool:
        return os.path.exists(self._path(uuid))

    def lasts(self, uuid: bytes) -> bool:
        """Whether a node is to be left alone just now."""
        try:
            since = os.stat(self._path(uuid)).st_mtime
        except OSError:
            return False
        return 0 <= time.time() - since < self._seconds(uuid)

    def _seconds(self, uuid: bytes) -> float:
        try:
            return min(_LONGEST, float(read_file(self._path(uuid)) or b"0"))
        except (OSError, ValueError):
            return 0.0

    def note(self, uuid: bytes, seconds: float) -> None:
        """Notes that a node has kept us waiting in vain for that many seconds: it is left alone for twice that time,
        and for longer each time it happens again."""
        path = self._path(uuid)
        seconds = min(_LONGEST, max(_SHORTEST, 2 * seconds, 2 * self._seconds(uuid)))
        try:
            make_directories(os.path.dirname(path), self._annex_dir, self._perms)
            with open(path, "wb") as file:
                file.write(b"%d" % seconds)
            self._perms.new_file(path)
        except OSError:
            pass

    def forget(self, uuid: bytes) -> None:
        """The node has answered."""
        try:
            os.unlink(self._path(uuid))
        except OSError:
            pass
