"""The file authorized_keys: granting and revoking what keys may do, and replacing the file so that sshd takes it.

Lines that are not for git-annex-shell are never touched.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from stat import S_IMODE

from annexshell.cli.admin.access.forced import parse_command
from annexshell.cli.admin.access.sshkeys import KeyEntry, parse_line
from annexshell.disk.durable import Durability
from annexshell.disk.filelock import FileLocks
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.cli.admin.access.sshkeys import PublicKey

_PATIENCE = 30.0  # seconds for another annexshell to finish with the file
_WRITABLE_BY_OTHERS = 0o022  # sshd does not trust such a file


def entries(lines: list[str]) -> list[tuple[int, KeyEntry]]:
    """The lines that sshd understands, with their numbers from 1."""
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = parse_line(line)
        except BadUsage:
            continue
        if entry is not None:
            found.append((number, entry))
    return found


def granted(lines: list[str], key: PublicKey, command: str) -> list[str]:
    """The lines with one that grants a key a command. If the key has a line already, it is replaced; its options stay,
    except for the command and `restrict`. Raises BadUsage if the key is used for something else."""
    options: list[tuple[str, str | None]] = [("command", command), ("restrict", None)]
    places = _places(lines, lambda entry: entry.key.blob == key.blob)
    if not places:
        return [*lines, KeyEntry(options, key).text()]
    (first, old), *others = places
    options += [option for option in old.options if option[0] not in ("command", "restrict")]
    key.comment = key.comment or old.key.comment
    superfluous = {number for number, _ in others}
    changed = [KeyEntry(options, key).text() if number == first else line for number, line in enumerate(lines, 1)]
    return [line for number, line in enumerate(changed, 1) if number not in superfluous]


def revoked(lines: list[str], wanted: Callable[[KeyEntry], bool]) -> list[str]:
    """The lines without those that `wanted` picks. Raises BadUsage if one of these is for something else."""
    gone = {number for number, _ in _places(lines, wanted)}
    return [line for number, line in enumerate(lines, 1) if number not in gone]


def _places(lines: list[str], wanted: Callable[[KeyEntry], bool]) -> list[tuple[int, KeyEntry]]:
    places = [(number, entry) for number, entry in entries(lines) if wanted(entry)]
    for number, entry in places:
        if parse_command(entry.option("command") or "") is None:
            raise BadUsage(f"line {number} lets that key do something other than git-annex-shell; edit it by hand")
    return places


def ssh_home() -> str:
    """The home directory that has .ssh: HOME if that is a directory, else the account's own, which is the one that sshd
    uses. Empty if there is none."""
    home = os.environ.get("HOME", "")
    if os.path.isabs(home) and os.path.isdir(home):
        return home
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return ""


def read_lines(path: str) -> list[str]:
    """The lines of a file; none if it does not exist. Raises OSError."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return text.removesuffix("\n").split("\n") if text else []


def edit(path: str, change: Callable[[list[str]], list[str]]) -> bool:
    """Atomically replaces the file by what `change` makes of its lines, creating it if need be. Returns whether
    anything changed. Raises what `change` raises, OSError, LockTimeout."""
    _distrust_symlinks(path)
    path = os.path.realpath(path)
    if not os.path.exists(path):
        lines = change([])
        if not lines:
            return False
        _make_directory(os.path.dirname(path))
    with FileLocks(_created).exclusive(os.fsencode(path), _PATIENCE):
        before = read_lines(path)
        lines = change(before)
        if lines != before:
            _replace(path, "".join(line + "\n" for line in lines))
        return lines != before


def _distrust_symlinks(path: str) -> None:
    """Raises BadUsage for a symlink, by which a user could make root write to any file."""
    for name in (path, os.path.dirname(os.path.abspath(path))):
        if os.path.islink(name) and os.lstat(name).st_uid != os.geteuid():
            raise BadUsage(f"{name} is a symlink that somebody else made: name the file that it leads to")


def _make_directory(path: str) -> None:
    """Makes ~/.ssh, owned by the owner of the home directory. Raises BadUsage if there is no home directory."""
    if not os.path.isdir(path):
        above = os.path.dirname(path)
        if not os.path.isdir(above):
            raise BadUsage(f"there is no directory {above}, in which {path} is to be: --file names another file")
        os.mkdir(path, 0o700)
        _give(path, os.stat(os.path.dirname(path)))


def _created(path: bytes) -> None:
    os.chmod(path, 0o600)
    _give(os.fsdecode(path), os.stat(os.path.dirname(path)))


def _give(path: str, like: os.stat_result) -> None:
    if (os.stat(path).st_uid, os.geteuid()) != (like.st_uid, like.st_uid):
        os.chown(path, like.st_uid, like.st_gid)


def _replace(path: str, text: str) -> None:
    """Replaces the file, keeping its owner and its mode, but for the bits that would make sshd ignore it."""
    old = os.stat(path)
    durability = Durability(True)
    fd, temporary = tempfile.mkstemp(prefix=".authorized_keys.", dir=os.path.dirname(path))
    try:
        with open(fd, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            _give(temporary, old)
            os.fchmod(fd, S_IMODE(old.st_mode) & ~_WRITABLE_BY_OTHERS)
            durability.file(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    durability.directories((os.fsencode(os.path.dirname(path)),))
