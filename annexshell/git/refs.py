"""Refs as git keeps them on disk: in files of their own and packed-refs, or, where extensions.refStorage says so, in
the tables of a reftable. Looking there is only for cases where asking git would take too long."""

from __future__ import annotations

import os
import time

from annexshell.disk.files import written

_TABLES = b"/reftable/tables.list"


def tables_of(common_dir: bytes) -> object:
    """Changes with the tables of a reftable; None where refs are files."""
    return written(common_dir + _TABLES)


def state(common_dir: bytes, ref: bytes) -> object:
    """Changes when a ref does, or refs are packed; of a reftable when any ref does."""
    tables = tables_of(common_dir)
    if tables is not None:
        return tables
    return [written(b"%b/%b" % (common_dir, name)) for name in (ref, b"packed-refs")]


def obstacle(common_dir: bytes, ref: bytes) -> str:
    """The reason why git can't change a ref: a lock that somebody holds, or a stale one. Empty if there is none."""
    for name in (ref + b".lock", _TABLES[1:] + b".lock"):
        found = held(common_dir, name)
        if found:
            return found
    return ""


def held(directory: bytes, name: bytes) -> str:
    """A sentence about a lock file of git's in a directory, empty if it is not there."""
    try:
        age = time.time() - os.lstat(b"%b/%b" % (directory, name)).st_mtime
    except OSError:
        return ""
    since = f"{age:.0f} seconds" if age < 120 else f"{age / 60:.0f} minutes"
    return f"its lock {os.fsdecode(name)} has been there for {since}; annexshell doctor says what to do"
