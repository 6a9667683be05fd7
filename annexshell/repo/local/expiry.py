"""Deletes leftovers of transfers and locks, once in a while."""

from __future__ import annotations

import os
import time

from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories
from annexshell.errors import AnnexshellError
from annexshell.model.key import key_from_file_name
from annexshell.model.ownfiles import OwnFiles
from annexshell.repo.local.takeover import TakeoverNotes
from annexshell.store.partials import expire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.local.parts import Parts

_LONGEST_INTERVAL = 3600.0  # seconds
_STEP = 100  # files
_OLD_CLAIMS = 1200.0  # seconds after which the claims in a file are over, unless the clock was set


def interval(age: float) -> float:
    """Seconds between two looks for what is older than `age` seconds."""
    return min(_LONGEST_INTERVAL, age / 2)


def expire_partials(parts: Parts, age: float) -> bool:
    """Deletes some of the partial files that nobody has touched for `age` seconds, unless that was done just now;
    whether there may be more. Raises OSError."""
    own = OwnFiles(parts.paths.annex_dir)
    make_directories(own.directory, parts.paths.annex_dir, parts.annex.perms)
    lock = parts.annex.locks.try_exclusive(own.expiry)
    if lock is None:
        return False
    with lock:
        now = time.time()
        last = read_file(lock.path) or b""
        if last.isdigit() and len(last) < 19 and 0 <= now - int(last) < interval(age):
            return False
        more = expire(parts.annex.layout, parts.transfers(), parts.annex.locks, parts.uuid, now - age, _STEP)
        if not more:
            TakeoverNotes(parts).expire()
            with open(lock.path, "wb") as file:
                file.write(b"%d" % now)
        return more


def expire_claims(parts: Parts) -> None:
    """Tidies up after clients that died while they had objects locked, if all claims are over. Looks at some of the
    files only. Raises OSError."""
    now = time.time()
    for name in _claimed(parts)[:_STEP]:
        path = b"%b/%b" % (parts.annex.layout.claims, name)
        try:
            if now - os.stat(path).st_mtime > _OLD_CLAIMS:
                key = key_from_file_name(name)
                parts.contents.locks().expire(
                    parts.contents.objects.find(key) or parts.annex.layout.object_candidates(key)[0]
                )
        except (FileNotFoundError, AnnexshellError):
            continue  # it is gone, or locked just now


def _claimed(parts: Parts) -> list[bytes]:
    try:
        return os.listdir(parts.annex.layout.claims)
    except FileNotFoundError:
        return []
