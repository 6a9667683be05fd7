"""AD/index, from which git-annex commits to its branch (Annex/Branch.hs: stageJournal, needUpdateIndex).

We commit without it, but our commits have to be in it too. git-annex compares AD/index.lck, which names the commit that
the index belongs to, with the branch, and merges the branch into the index if they differ. But when it carries out a
transition that somebody pushed (git annex forget), it makes a new branch from the index as it is. So the index may not
miss our facts. Nor may it be deleted: a process that has seen it once does not check again that it is there, and would
begin with an empty one.

AD/index.lck stays as it is. It names an older commit then, and the next merge of the branch finds nothing to do.
"""

from __future__ import annotations

import os

from annexshell.disk.spawn import NOWHERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from annexshell.git.program import Git

_SHA1 = 40  # hexadecimal digits


def stage(git: Git, annex_dir: bytes, files: Iterable[tuple[bytes, bytes]], id_length: int) -> None:
    """Puts files, as pairs (path, content), into the index if there is one; git has their blobs already. The caller
    holds the journal's lock. An index that git can't change is useless to everybody, and is deleted."""
    index = annex_dir + b"/index"
    if not os.path.exists(index):
        return
    _remove(index + b".lock")  # its maker is gone, since we hold the journal's lock
    updater = git.start("update-index", "-z", "--index-info", env={b"GIT_INDEX_FILE": index}, errors=NOWHERE)
    updater.send(b"".join(b"100644 %b 0\t%b\0" % (_blob_id(text, id_length), path) for path, text in files))
    if updater.close() != 0:
        _remove(annex_dir + b"/index.lck")  # comes first: git-annex would believe a note without an index
        _remove(index)


def _blob_id(text: bytes, id_length: int) -> bytes:
    from hashlib import sha1, sha256

    kind = sha1 if id_length == _SHA1 else sha256
    return kind(b"blob %d\0%b" % (len(text), text)).hexdigest().encode()


def _remove(path: bytes) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
