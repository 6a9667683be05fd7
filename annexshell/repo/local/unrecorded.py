"""Notes of objects that arrived or left when that could not be recorded: because the disk was full or failed, or
because the process was killed between a removal and its record.

Each is a file AD/annexshell/unrecorded/KEY. In one that is left on purpose there is nothing: a full disk mostly has
room for that, if not for a line of the location log. Others are texts of location logs that were not put into the
journal any more (Journal.set_locations). The session that closes the repository next records what is true then.
"""

from __future__ import annotations

import os
from contextlib import suppress
from errno import ENOTEMPTY

from annexshell.annexlog.lines import MISSING, PRESENT
from annexshell.disk.perms import make_directories
from annexshell.errors import AnnexshellError, BadKey
from annexshell.model.key import key_from_file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts

_ATTEMPTS = 5


def note(parts: Parts, key: Key) -> bool:
    """Leaves a note, on disk on return; False if that failed, too."""
    try:
        is_left = _leave(parts, key)
        parts.annex.durability.directories((parts.annex.layout.unrecorded,))
    except (OSError, AnnexshellError):
        return False
    return is_left


def _leave(parts: Parts, key: Key) -> bool:
    path = parts.annex.layout.note(key)
    for _ in range(_ATTEMPTS):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        except FileNotFoundError:  # whoever settles the last note removes the directory
            make_directories(parts.annex.layout.unrecorded, parts.paths.annex_dir, parts.annex.perms)
        else:
            parts.annex.perms.new_file(path)
            return True
    return False


def settle(parts: Parts) -> None:
    """Records what the notes are about, and removes them. Raises OSError, DiskError, LockTimeout."""
    directory = parts.annex.layout.unrecorded
    try:
        for name in os.listdir(directory):
            with suppress(BadKey):  # not ours
                _settle(parts, key_from_file_name(name), b"%b/%b" % (directory, name))
        os.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != ENOTEMPTY:
            raise


def _settle(parts: Parts, key: Key, note: bytes) -> None:
    """The note goes while nobody can write it anew, and only if what has been recorded is still true then."""
    while True:
        recorded = record(parts, key)
        with parts.journal.lock():
            if parts.contents.objects.present(key) == recorded:
                with suppress(FileNotFoundError):
                    os.unlink(note)
                return


def record(parts: Parts, key: Key) -> bool:
    """Records whether an object is here, and returns it. It may come or go meanwhile: what is recorded last is what was
    seen after that."""
    log = parts.annex.layout.location_log(key)
    recorded: bool | None = None
    while (present := parts.contents.objects.present(key)) != recorded:
        parts.journal.set_locations(log, [parts.uuid], PRESENT if present else MISSING)
        recorded = present
    return present
