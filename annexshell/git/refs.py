"""Refs as git keeps them on disk: in files of their own and packed-refs or, if extensions.refStorage says so, in the
tables of a reftable. We look there only where asking git would take too long."""

from __future__ import annotations

import os
import time

from annexshell.disk.files import written

_TABLES = b"/reftable/tables.list"


def tables_of(common_dir: bytes) -> object:
    """A value that changes with the tables of a reftable; None if refs are files."""
    return written(common_dir + _TABLES)


def state(common_dir: bytes, ref: bytes) -> object:
    """A value that changes when a ref changes or refs are packed; with a reftable, when any ref changes."""
    tables = tables_of(common_dir)
    if tables is not None:
        return tables
    return [written(b"%b/%b" % (common_dir, name)) for name in (ref, b"packed-refs")]


def obstacle(common_dir: bytes, ref: bytes) -> str:
    """Why git can't change a ref: a lock that somebody holds, or a stale one. Empty if there is none."""
    for name in (ref + b".lock", _TABLES[1:] + b".lock"):
        found = held(common_dir, name)
        if found:
            return found
    return ""


def held(directory: bytes, name: bytes) -> str:
    """A sentence about a lock file of git's in a directory; empty if there is none."""
    try:
        age = time.time() - os.lstat(b"%b/%b" % (directory, name)).st_mtime
    except OSError:
        return ""
    since = f"{age:.0f} seconds" if age < 120 else f"{age / 60:.0f} minutes"
    return f"its lock {os.fsdecode(name)} has been there for {since}; annexshell doctor says what to do"
