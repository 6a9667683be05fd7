"""What is going on at one moment, in plain values for JSON."""

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
    from annexshell.cli.admin.watching.processes import HeldLock, RunningProcess
    from annexshell.cli.admin.watching.shown import Process, ShownLock, WatchedTransfer
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.local.running import RunningTransfer


_WINDOW = 10.0  # seconds over which a rate is taken
_DATABASE = (b"db", b"db-shm", b"db-wal", b"db-journal")  # files of SQLite
# Directories whose locks only say that a process is alive: transfers, which are shown anyway; shared connections of
# ssh; and space that uploads have reserved.
_MARKS = (b"transfer/", b"ssh/", b"annexshell/uploads/")


class _Course:
    """The progress of a transfer: a pair (seconds since the epoch, bytes) whenever more was done."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()
        self.seen = 0.0  # when it was looked at last

    def note(self, when: float, done: int, now: float) -> None:
        points = self._points
        self.seen = now
        if points and points[-1][1] > done:
            points.clear()  # the transfer has begun again
        if not points or (points[-1][1] < done and points[-1][0] < when):
            points.append((when, done))
        while len(points) > 2 and now - points[1][0] > _WINDOW:
            points.popleft()

    def rate(self, now: float) -> float | None:
        """Bytes per second; None as long as that is unknown, 0 if nothing moves. The files about transfers are
        rewritten only after each hundredth, which takes a while for a large object. So the rate stays for twice as long
        as the last step took, before we say that nothing moves."""
        points = self._points
        if len(points) < 2:
            return None
        (first, begun), (before, _), (last, done) = points[0], points[-2], points[-1]
        if now - last > max(_WINDOW, 2 * (last - before)):
            return 0.0
        return (done - begun) / (last - first)


class Rates:
    """The rates of all transfers."""

    def __init__(self) -> None:
        self._courses: dict[object, _Course] = {}

    def of(self, transfer: RunningTransfer, place: bytes, when: float, now: float) -> float | None:
        """The rate of a transfer, in bytes per second; None as long as it is unknown. `when`, in seconds since the
        epoch, is when that much was done."""
        if transfer["done"] is None:
            return None
        name = (place, transfer["transfer"], transfer["key"], transfer["peer"])
        course = self._courses.setdefault(name, _Course())
        course.note(when, transfer["done"], now)
        return course.rate(now)

    def forget(self, now: float) -> None:
        """Forgets transfers that have not been seen lately."""
        self._courses = {name: course for name, course in self._courses.items() if now - course.seen <= _WINDOW}


def of_repository(
    parts: Parts, all_locks: list[HeldLock], rates: Rates
) -> tuple[list[WatchedTransfer], list[ShownLock]]:
    """The transfers and locks of a repository. Nobody has a name yet."""
    locks = [lock for lock in all_locks if lock.path.startswith(parts.paths.annex_dir + b"/")]
    now = time.time()
    running: list[WatchedTransfer] = []
    for transfer in transfers(parts):
        when = _improve(parts, transfer, now)
        rate = rates.of(transfer, parts.paths.annex_dir, when, now)
        running.append({**transfer, "pid": _holder(parts, transfer, locks), "rate": rate, "peer_name": None})
    leased = _leased(parts)
    return running, [*_without(_held(parts, locks), leased), *leased]


def _improve(parts: Parts, transfer: RunningTransfer, now: float) -> float:
    """Sets `done` of a transfer that we receive to the size of its partial file: the file about the transfer, from
    which it comes, is rewritten only now and then. Returns when that much was done, in seconds since the epoch."""
    key = parse_key(os.fsencode(transfer["key"]))
    try:
        if transfer["transfer"] == RECEIVING:
            transfer["done"] = max(transfer["done"] or 0, os.stat(parts.annex.layout.partial(key)).st_size)
            return now
        return os.stat(parts.annex.layout.transfer_info(UPLOAD, key, os.fsencode(transfer["peer"]))).st_mtime
    except OSError:
        return now


def _holder(parts: Parts, transfer: RunningTransfer, locks: list[HeldLock]) -> int | None:
    """The process that makes a transfer; None if we can't see it."""
    direction = DOWNLOAD if transfer["transfer"] == RECEIVING else UPLOAD
    key = parse_key(os.fsencode(transfer["key"]))
    paths = parts.annex.layout.transfer_locks(direction, key, os.fsencode(transfer["peer"]))
    return next((lock.pid for lock in locks if lock.path in paths), None)


def _held(parts: Parts, locks: list[HeldLock]) -> list[ShownLock]:
    """Locks by which processes keep others from something, except for those inside git-annex's databases."""
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
    """The key that a lock is about: it is on the object or on a file beside it. None for other locks."""
    name = os.path.basename(path)
    try:
        return os.fsdecode(key_from_file_name(name.removesuffix(b".lck").removesuffix(b".rtl")).serialized)
    except BadKey:
        return None


def _leased(parts: Parts) -> list[ShownLock]:
    """Locks of the HTTP server's clients, which hold even while no process does."""
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


def _without(held: list[ShownLock], leased: list[ShownLock]) -> list[ShownLock]:
    """The locks of processes, without those that an HTTP worker holds for a client whose lock is listed as such."""
    rest = list(held)
    for lease in leased:
        same = [lock for lock in rest if lock["key"] == lease["key"] and not lock["exclusive"]]
        if same:
            rest.remove(same[-1])
    return rest


def _shown_lock(key: str | None, file: str | None, exclusive: bool, pid: int | None) -> ShownLock:
    """A lock as it is shown; its client is that of its process."""
    return {
        "key": key,
        "file": file,
        "exclusive": exclusive,
        "pid": pid,
        "until": None,
        "client": None,
        "address": None,
        "user": None,
        "client_name": None,
    }


def concerns(running: RunningProcess, places: list[tuple[bytes, bytes]]) -> bool:
    """Whether a process has to do with one of some repositories, given as pairs (annex directory, real path)."""
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


def _annex_dir(running: RunningProcess) -> bytes | None:
    home = os.path.expanduser(f"~{running.account}")
    try:
        return locate(expand(os.fsencode(running.words[1]), os.fsencode(home), home_of)).annex_dir
    except (AnnexshellError, OSError):
        return None


def _served(running: RunningProcess) -> list[bytes]:
    """The directories that a server serves, as far as we can tell."""
    words = running.words
    named = [word.partition("=")[2] for word in words if word.startswith("--directory=")]
    named += [value for option, value in pairwise(words) if option == "--directory"]
    paths = [os.path.join(running.directory, os.fsencode(path)) for path in named] or [running.directory]
    return [os.path.realpath(path) for path in paths if os.path.isabs(path)]


def _is_below(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def of_process(running: RunningProcess) -> Process:
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
        "client_name": None,
    }
