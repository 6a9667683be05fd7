"""What is going on at one moment, plain for JSON."""

from __future__ import annotations

import os
import time
from collections import deque
from itertools import pairwise

from annexshell.annexlog.gitdir import expand, locate
from annexshell.cli.admin.watching.processes import COMMAND, SERVER, SESSION, all_locks
from annexshell.cli.context import home_of
from annexshell.errors import AnnexshellError, BadKey
from annexshell.model.key import key_from_file_name, parse_key
from annexshell.repo.leases import Leases
from annexshell.repo.underway import RECEIVING, transfers
from annexshell.store.layout import DOWNLOAD, UPLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from annexshell.cli.admin.watching.processes import HeldLock, Running
    from annexshell.repo.parts import Parts

    Shown = dict[str, Any]

_WINDOW = 10.0  # seconds


class Rates:
    """How fast transfers are, over the last seconds in which they were seen."""

    def __init__(self) -> None:
        self._seen: dict[object, deque[tuple[float, int]]] = {}

    def note(self, transfer: Shown, place: bytes, now: float) -> None:
        """Puts `rate` into a transfer, in bytes per second; None as long as that is not known."""
        transfer["rate"] = None
        if transfer["done"] is None:
            return
        seen = self._seen.setdefault((place, transfer["transfer"], transfer["key"], transfer["peer"]), deque())
        if seen and (seen[-1][1] > transfer["done"] or now - seen[-1][0] > _WINDOW):
            seen.clear()  # it began anew
        seen.append((now, transfer["done"]))
        while now - seen[0][0] > _WINDOW:
            seen.popleft()
        seconds, moved = now - seen[0][0], seen[-1][1] - seen[0][1]
        if moved or seconds > _WINDOW / 2:
            transfer["rate"] = moved / seconds

    def forget(self, now: float) -> None:
        """What has not been seen for long."""
        self._seen = {transfer: seen for transfer, seen in self._seen.items() if now - seen[-1][0] <= _WINDOW}


def of_repository(parts: Parts, processes: list[Running], rates: Rates) -> Shown:
    """The transfers and locks of a repository."""
    locks = [lock for lock in all_locks(processes) if lock.path.startswith(parts.paths.annex_dir + b"/")]
    now = time.time()
    running = transfers(parts)
    for transfer in running:
        _improve(parts, transfer)
        transfer["pid"] = _holder(parts, transfer, locks)
        rates.note(transfer, parts.paths.annex_dir, now)
    return {"transfers": running, "locks": [*_held(parts, locks), *_leased(parts, now)]}


def _improve(parts: Parts, transfer: Shown) -> None:
    """The files about transfers are rewritten now and then only; what is received grows all the time."""
    if transfer["transfer"] == RECEIVING:
        key = parse_key(os.fsencode(transfer["key"]))
        try:
            transfer["done"] = max(transfer["done"] or 0, os.stat(parts.layout.partial(key)).st_size)
        except OSError:
            pass


def _holder(parts: Parts, transfer: Shown, locks: list[HeldLock]) -> int | None:
    """The process that makes a transfer, None if it can't be seen."""
    direction = DOWNLOAD if transfer["transfer"] == RECEIVING else UPLOAD
    key = parse_key(os.fsencode(transfer["key"]))
    paths = parts.layout.transfer_locks(direction, key, os.fsencode(transfer["peer"]))
    return next((lock.pid for lock in locks if lock.path in paths), None)


def _held(parts: Parts, locks: list[HeldLock]) -> list[Shown]:
    """Locks that processes hold, but for those of transfers."""
    found = []
    annex_dir = parts.paths.annex_dir
    for lock in locks:
        if lock.path.startswith(annex_dir + b"/transfer/"):
            continue
        key = _key_of(lock.path) if lock.path.startswith(parts.layout.objects + b"/") else None
        file = os.fsdecode(lock.path[len(annex_dir) + 1 :])
        found.append(_shown_lock(key, file, lock.exclusive, lock.pid))
    return found


def _key_of(path: bytes) -> str | None:
    """The key whose content a lock is on: its object, or a file beside that."""
    name = os.path.basename(path)
    try:
        return os.fsdecode(key_from_file_name(name.removesuffix(b".lck").removesuffix(b".rtl")).serialized)
    except BadKey:
        return None


def _leased(parts: Parts, now: float) -> list[Shown]:
    """Locks of clients of the HTTP server, which no process has to hold."""
    try:
        known = [lease for lease in Leases(parts).all() if lease.deadline > now]
    except OSError:
        return []
    return [_shown_lock(os.fsdecode(lease.key.serialized), until=lease.deadline) for lease in known]


def _shown_lock(
    key: str | None,
    file: str | None = None,
    exclusive: bool = False,
    pid: int | None = None,
    until: float | None = None,
) -> Shown:
    return {"key": key, "file": file, "exclusive": exclusive, "pid": pid, "until": until}


def concerns(running: Running, parts: Parts) -> bool:
    """Whether a process has to do with a repository."""
    annex_dir = parts.paths.annex_dir
    if any(lock.path.startswith(annex_dir + b"/") for lock in running.locks or ()):
        return True
    here = os.path.realpath(parts.directory)
    if running.what == SESSION:
        return len(running.words) > 1 and _annex_dir(running) == annex_dir
    if running.what == SERVER:
        return any(_is_below(here, directory) for directory in _served(running))
    return _is_below(os.path.realpath(running.directory), here)


def _annex_dir(running: Running) -> bytes | None:
    home = os.path.expanduser(f"~{running.account}")
    try:
        return locate(expand(os.fsencode(running.words[1]), os.fsencode(home), home_of)).annex_dir
    except (AnnexshellError, OSError):
        return None


def _served(running: Running) -> list[bytes]:
    """The directories of a server."""
    words = running.words
    named = [word.partition("=")[2] for word in words if word.startswith("--directory=")]
    named += [value for option, value in pairwise(words) if option == "--directory"]
    return [os.path.realpath(os.path.join(running.directory, os.fsencode(path))) for path in named] or [
        os.path.realpath(running.directory)
    ]


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
        "since": running.since,
        "cpu": running.cpu,
        "memory": running.memory,
        "workers": running.workers,
        "connections": running.connections,
        "visible": running.locks is not None,
    }
