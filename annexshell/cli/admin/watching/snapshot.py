"""What is going on at one moment, plain for JSON."""

from __future__ import annotations

import os
import time
from collections import deque
from itertools import pairwise

from annexshell.cli.admin.watching.processes import COMMAND, SERVER, SESSION
from annexshell.cli.context import home_of
from annexshell.disk.clock import BILLION
from annexshell.errors import AnnexshellError, BadKey
from annexshell.git.paths import expand, locate
from annexshell.model.key import key_from_file_name, parse_key
from annexshell.repo.local.leases import Leases
from annexshell.repo.local.running import RECEIVING, transfers
from annexshell.store.layout import DOWNLOAD, UPLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from annexshell.cli.admin.watching.processes import HeldLock, Running
    from annexshell.repo.local.parts import Parts

    Shown = dict[str, Any]

_WINDOW = 10.0  # seconds
_DATABASE = (b"db", b"db-shm", b"db-wal", b"db-journal")  # files of SQLite
# Where locks say only that a process is there: transfers, which are shown as such, shared connections of ssh, and space
# that uploads have reserved.
_MARKS = (b"transfer/", b"ssh/", b"annexshell/uploads/")


class _Course:
    """How a transfer has gone: (seconds since the epoch, bytes) whenever more of it was done."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()
        self.seen = 0.0  # when it was looked at last

    def note(self, when: float, done: int, now: float) -> None:
        points = self._points
        self.seen = now
        if points and points[-1][1] > done:
            points.clear()  # it began anew
        if not points or (points[-1][1] < done and points[-1][0] < when):
            points.append((when, done))
        while len(points) > 2 and now - points[1][0] > _WINDOW:
            points.popleft()

    def rate(self, now: float) -> float | None:
        """Bytes per second. The last step, however long ago it was, counts for twice as long as it took: of what is
        large a hundredth takes a while."""
        points = self._points
        if len(points) < 2:
            return None
        (first, begun), (before, _), (last, done) = points[0], points[-2], points[-1]
        if now - last > max(_WINDOW, 2 * (last - before)):
            return 0.0
        return (done - begun) / (last - first)


class Rates:
    """How fast transfers are, over the last seconds in which they went on."""

    def __init__(self) -> None:
        self._courses: dict[object, _Course] = {}

    def note(self, transfer: Shown, place: bytes, when: float, now: float) -> None:
        """Puts `rate` into a transfer, in bytes per second; None as long as that is not known. `when` is the time at
        which so much was done, in seconds since the epoch."""
        transfer["rate"] = None
        if transfer["done"] is not None:
            name = (place, transfer["transfer"], transfer["key"], transfer["peer"])
            course = self._courses.setdefault(name, _Course())
            course.note(when, transfer["done"], now)
            transfer["rate"] = course.rate(now)

    def forget(self, now: float) -> None:
        """What has not been seen for long."""
        self._courses = {name: course for name, course in self._courses.items() if now - course.seen <= _WINDOW}


def of_repository(parts: Parts, all_locks: list[HeldLock], rates: Rates) -> Shown:
    """The transfers and locks of a repository."""
    locks = [lock for lock in all_locks if lock.path.startswith(parts.paths.annex_dir + b"/")]
    now = time.time()
    running = transfers(parts)
    for transfer in running:
        when = _improve(parts, transfer, now)
        transfer["pid"] = _holder(parts, transfer, locks)
        rates.note(transfer, parts.paths.annex_dir, when, now)
    leased = _leased(parts)
    return {"transfers": running, "locks": [*_without(_held(parts, locks), leased), *leased]}


def _improve(parts: Parts, transfer: Shown, now: float) -> float:
    """The files about transfers are rewritten now and then only; what is received grows all the time. Returns when so
    much was done."""
    key = parse_key(os.fsencode(transfer["key"]))
    try:
        if transfer["transfer"] == RECEIVING:
            transfer["done"] = max(transfer["done"] or 0, os.stat(parts.annex.layout.partial(key)).st_size)
            return now
        return os.stat(parts.annex.layout.transfer_info(UPLOAD, key, os.fsencode(transfer["peer"]))).st_mtime
    except OSError:
        return now


def _holder(parts: Parts, transfer: Shown, locks: list[HeldLock]) -> int | None:
    """The process that makes a transfer, None if it can't be seen."""
    direction = DOWNLOAD if transfer["transfer"] == RECEIVING else UPLOAD
    key = parse_key(os.fsencode(transfer["key"]))
    paths = parts.annex.layout.transfer_locks(direction, key, os.fsencode(transfer["peer"]))
    return next((lock.pid for lock in locks if lock.path in paths), None)


def _held(parts: Parts, locks: list[HeldLock]) -> list[Shown]:
    """Locks that processes hold to keep others from something, but for those within git-annex's databases."""
    found = []
    annex_dir = parts.paths.annex_dir
    for lock in locks:
        name = lock.path[len(annex_dir) + 1 :]
        if name.startswith(_MARKS) or os.path.basename(name) in _DATABASE:
            continue
        key = _key_of(lock.path) if lock.path.startswith(parts.annex.layout.objects + b"/") else None
        file = os.fsdecode(name)
        found.append(_shown_lock(key, file, lock.exclusive, lock.pid))
    return found


def _key_of(path: bytes) -> str | None:
    """The key whose content a lock is on: its object, or a file beside that."""
    name = os.path.basename(path)
    try:
        return os.fsdecode(key_from_file_name(name.removesuffix(b".lck").removesuffix(b".rtl")).serialized)
    except BadKey:
        return None


def _leased(parts: Parts) -> list[Shown]:
    """Locks of clients of the HTTP server, which no process has to hold."""
    try:
        known = Leases(parts).all()
    except OSError:
        return []
    return [
        {
            **_shown_lock(os.fsdecode(lease.key.serialized), None, False, None),
            "until": lease.deadline.wall / BILLION,
            "client": os.fsdecode(lease.holder.client) or None,
            "address": os.fsdecode(lease.holder.address) or None,
            "user": os.fsdecode(lease.holder.user) or None,
        }
        for lease in known
    ]


def _without(held: list[Shown], leased: list[Shown]) -> list[Shown]:
    """The locks that processes hold, less one for each that a worker of the HTTP server holds for a client of its."""
    rest = list(held)
    for lease in leased:
        same = [lock for lock in rest if lock["key"] == lease["key"] and not lock["exclusive"]]
        if same:
            rest.remove(same[-1])
    return rest


def _shown_lock(key: str | None, file: str | None, exclusive: bool, pid: int | None) -> Shown:
    """The client of a lock that a process holds is that of the process."""
    nobody = {"until": None, "client": None, "address": None, "user": None}
    return {"key": key, "file": file, "exclusive": exclusive, "pid": pid, **nobody}


def concerns(running: Running, places: list[tuple[bytes, bytes]]) -> bool:
    """Whether a process has to do with one of some repositories, whose annex directories and real paths are given."""
    if any(lock.path.startswith(annex_dir + b"/") for lock in running.locks or () for annex_dir, _ in places):
        return True
    if running.what == SESSION:
        annex_dir = _annex_dir(running) if len(running.words) > 1 else None
        return any(annex_dir == each for each, _ in places)
    if running.what == SERVER:
        served = _served(running)
        return any(_is_below(here, directory) for _, here in places for directory in served)
    directory = os.path.realpath(running.directory) if running.directory else b""
    return any(_is_below(directory, here) for _, here in places)


def _annex_dir(running: Running) -> bytes | None:
    home = os.path.expanduser(f"~{running.account}")
    try:
        return locate(expand(os.fsencode(running.words[1]), os.fsencode(home), home_of)).annex_dir
    except (AnnexshellError, OSError):
        return None


def _served(running: Running) -> list[bytes]:
    """The directories of a server, as far as they can be known."""
    words = running.words
    named = [word.partition("=")[2] for word in words if word.startswith("--directory=")]
    named += [value for option, value in pairwise(words) if option == "--directory"]
    paths = [os.path.join(running.directory, os.fsencode(path)) for path in named] or [running.directory]
    return [os.path.realpath(path) for path in paths if os.path.isabs(path)]


def _is_below(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def of_process(running: Running) -> Shown:
    words = running.words[:1] if running.what == COMMAND else running.words[:2]
    return {
        "pid": running.pid,
        "what": running.what,
        "program": running.program,
        "command": " ".join(words),
        "account": running.account,
        "client": running.client or None,
        "address": running.address or None,
        "fingerprint": running.fingerprint or None,
        "since": running.since,
        "cpu": running.cpu,
        "memory": running.memory,
        "workers": running.workers,
        "connections": running.connections,
        "visible": running.locks is not None,
    }
