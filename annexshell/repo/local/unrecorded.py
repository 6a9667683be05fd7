"""Notes of objects that arrived or left when that could not be recorded, because the disk was full or failed.

Each is an empty file AD/annexshell/unrecorded/KEY: a full disk mostly has room for that, if not for a line of the
location log. The session that closes the repository next records what is true then.
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


def note(parts: Parts, key: Key) -> bool:
    """Leaves a note; False if that failed, too."""
    directory = parts.layout.unrecorded
    path = b"%b/%b" % (directory, key.file_name)
    try:
        make_directories(directory, parts.paths.annex_dir, parts.perms)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        parts.perms.new_file(path)
        parts.durability.directories((directory,))
    except (OSError, AnnexshellError):
        return False
    return True


def settle(parts: Parts) -> None:
    """Records what the notes are about, and removes them. Raises OSError, DiskError, LockTimeout."""
    directory = parts.layout.unrecorded
    try:
        for name in os.listdir(directory):
            with suppress(BadKey):  # not ours
                record(parts, key_from_file_name(name))
                with suppress(FileNotFoundError):
                    os.unlink(b"%b/%b" % (directory, name))
        os.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != ENOTEMPTY:
            raise


def record(parts: Parts, key: Key) -> None:
    """Records whether an object is here. It may come or go meanwhile: what is recorded last is what was seen after
    that."""
    log = parts.layout.location_log(key)
    recorded: bool | None = None
    while (present := parts.objects.present(key)) != recorded:
        parts.journal.set_locations(log, [parts.uuid], PRESENT if present else MISSING)
        recorded = present
