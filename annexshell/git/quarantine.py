"""What git-receive-pack keeps apart until a push is accepted. git removes it by itself, unless it is killed."""

from __future__ import annotations

import os
import shutil
import time

_PREFIXES = (b"tmp_objdir-incoming-", b"incoming-")  # since git 2.35, and before


def remove_abandoned(common_dir: bytes, age: float) -> int:
    """Removes what nobody has written to for `age` seconds; how many there were. Raises OSError."""
    objects = common_dir + b"/objects"
    latest = time.time() - age
    count = 0
    for name in os.listdir(objects):
        path = objects + b"/" + name
        if name.startswith(_PREFIXES) and _last_change(path) < latest:
            shutil.rmtree(path, ignore_errors=True)
            count += 1
    return count


def _last_change(path: bytes) -> float:
    """When something was written there last, in seconds of the wall clock."""
    newest = os.lstat(path).st_mtime
    for directory, _, files in os.walk(path):
        for name in (b"", *files):
            try:
                newest = max(newest, os.lstat(os.path.join(directory, name)).st_mtime)
            except OSError:  # it has just gone
                continue
    return newest
