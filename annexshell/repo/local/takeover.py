"""Notes of clients that wait for a key that another client is sending, for the process that receives it.

They lie in AD/annexshell/wanted, one file for each repository and key, and count only while they are renewed: a process
that dies leaves nothing in force.
"""

from __future__ import annotations

import hashlib
import os
import time

from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories
from annexshell.model.ownfiles import OwnFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.local.parts import Parts

    Place = tuple[bytes, bytes]

_RENEWAL = 1.0  # seconds between two notes of one who waits
_VALID = 4.0  # seconds for which a note counts
# Seconds of silence after which an upload has to make room: for its own client, who must have lost the connection, and
# for others, to whom it may just be slow.
_OWN_SILENCE, _SILENCE = 1.0, 5.0


class TakeoverNotes:
    """The notes of one served repository. A place is a uuid, its own or that of a node, and a key."""

    def __init__(self, parts: Parts) -> None:
        self._annex_dir = parts.paths.annex_dir
        self._directory = OwnFiles(self._annex_dir).wanted
        self._perms = parts.annex.perms

    def find(self, place: Place) -> bytes | None:
        """The client that waits for a place; None if there is none."""
        path = self._path(place)
        try:
            return read_file(path) if time.time() - os.stat(path).st_mtime <= _VALID else None
        except OSError:
            return None

    def is_urgent(self, place: Place, client: bytes, silence: float) -> bool:
        """Whether the upload of a place by a client, who has been silent for some seconds, has to make room."""
        if silence < _OWN_SILENCE:
            return False
        waiting = self.find(place)
        return waiting is not None and silence > (_OWN_SILENCE if waiting == client else _SILENCE)

    def write(self, place: Place, client: bytes) -> None:
        """Leaves a note, or renews it."""
        path = self._path(place)
        make_directories(self._directory, self._annex_dir, self._perms)
        with open(path, "wb") as file:
            file.write(client)
        self._perms.new_file(path)

    def remove(self, place: Place) -> None:
        """Removes the note, if there is one."""
        try:
            os.unlink(self._path(place))
        except FileNotFoundError:
            pass

    def expire(self) -> None:
        """Removes the notes of processes that died while they waited."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return
        for name in names:
            path = b"%b/%b" % (self._directory, name)
            try:
                if time.time() - os.stat(path).st_mtime > _VALID:
                    os.unlink(path)
            except OSError:  # it is gone, or another account's, and counts for nothing either way
                pass

    def _path(self, place: Place) -> bytes:
        return b"%b/%b" % (self._directory, hashlib.sha256(b"\0".join(place)).hexdigest().encode())


class TakeoverRequest:
    """What one client waits for."""

    def __init__(self, notes: TakeoverNotes, place: Place, client: bytes) -> None:
        self._notes = notes
        self._place = place
        self._client = client
        self._next = 0.0  # monotonic seconds

    def is_urgent(self, silence: float) -> bool:
        """See TakeoverNotes, of the other clients that wait for the same."""
        return self._notes.is_urgent(self._place, self._client, silence)

    def ask(self) -> None:
        """To be called again and again. If it can't be noted, one has to wait until the other is done."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _RENEWAL
        try:
            self._notes.write(self._place, self._client)
        except OSError:
            pass

    def withdraw(self) -> None:
        """The wait is over."""
        if self._next:
            try:
                self._notes.remove(self._place)
            except OSError:
                pass
