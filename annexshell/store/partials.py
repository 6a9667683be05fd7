"""Partial files that transfers left behind and nobody came back for.

A file that a running transfer uses, ours or git-annex's, is never touched: its locks are taken first. git-annex itself
keeps such files for ever, and shows them in `git annex unused`.
"""

from __future__ import annotations

import os
from shutil import rmtree

from annexshell.errors import BadKey, LockTimeout, TransferBusy
from annexshell.model.key import key_from_file_name
from annexshell.store.layout import DOWNLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from annexshell.disk.filelock import FileLocks
    from annexshell.model.key import Key
    from annexshell.store.layout import Layout
    from annexshell.store.transfers import Transfers


def expire(layout: Layout, transfers: Transfers, locks: FileLocks, peer: bytes, before: float, limit: int) -> bool:
    """Deletes partial files that nobody has written to since `before`, in seconds since the epoch, `limit` of them at
    most; whether there may be more. `peer` is the uuid that the transfer locks are taken with. Raises OSError."""
    for key in _abandoned(layout, before):
        if limit <= 0:
            return True
        limit -= 1
        try:
            transfer = transfers.receiving(key, b"", peer)
        except (TransferBusy, LockTimeout):
            continue
        try:
            if _is_abandoned(layout.partial(key), before) and not _is_held_by_old_version(layout, locks, key, peer):
                os.unlink(layout.partial(key))
                rmtree(layout.work_directory(key), ignore_errors=True)
        finally:
            transfer.end(None)
    return False


def _abandoned(layout: Layout, before: float) -> Iterator[Key]:
    """The keys of such files."""
    try:
        names = os.listdir(layout.tmp)
    except FileNotFoundError:
        return
    for name in names:
        try:
            key = key_from_file_name(name)
        except BadKey:
            continue
        if key.file_name == name and _is_abandoned(layout.partial(key), before):
            yield key


def _is_abandoned(path: bytes, before: float) -> bool:
    """Also a program that sets the time of a file itself (rsync) can't set when that happened."""
    try:
        info = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return max(info.st_mtime, info.st_ctime) < before and os.path.isfile(path)


def _is_held_by_old_version(layout: Layout, locks: FileLocks, key: Key, peer: bytes) -> bool:
    """Versions up to 10.20240227 lock only for the repository that they download from."""
    try:
        peers = os.listdir(b"%b/transfer/%b" % (layout.annex_dir, DOWNLOAD))
    except FileNotFoundError:
        return False
    return any(
        other not in (b"lck", peer) and locks.is_exclusively_locked(layout.transfer_locks(DOWNLOAD, key, other)[1])
        for other in peers
    )
