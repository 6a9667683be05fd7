"""annexshell user: the users of p2phttp, in a file such as `htpasswd -B` writes."""

from __future__ import annotations

import os
import sys
from getpass import getpass

from annexshell.cli.admin.access.settingfile import change, read
from annexshell.cli.admin.report import say
from annexshell.errors import BadUsage
from annexshell.serve.http.access.htpasswd import hash_password, parse_htpasswd, require_bcrypt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

FILE = "/etc/annexshell/passwords"
USAGE = f"""Adds, changes, removes or lists users of p2phttp, in the file of passwords of its option --htpasswd.

Usage:
  annexshell user add [options] [--] <name>
  annexshell user passwd [options] [--] <name>
  annexshell user remove [options] [--] <name>
  annexshell user list [options]

add adds a user, and passwd changes the password of one; both ask for the password, twice. A running server notices
within a second.

Options:
  --file=FILE  The file [default: {FILE}].
  --stdin      Read the password from standard input, up to the end of the line.
  -q --quiet   Say nothing if all went well.
  -h --help    Show this.
"""

_LONGEST = 72  # bytes; bcrypt ignores what follows
_PLACEHOLDER = b"..."  # git-annex sends this for a password that it does not know


def run(options: Options) -> int:
    """Changes the file, or lists the users in it."""
    path = options.text("--file")
    if options.flag("list"):
        for user in _users(read(path), path):
            say(os.fsdecode(user))
        return 0
    name = _name(options.text("<name>"))
    if options.flag("remove"):
        change(path, lambda data: _without(data, name, path))
        done = "removed"
    else:
        require_bcrypt()
        is_new = options.flag("add")
        _check_there(read(path), name, path, not is_new)
        line = b"%b:%b\n" % (name, hash_password(_password(options.flag("--stdin"))))
        change(path, lambda data: _with(data, name, line, path))
        done = "added" if is_new else "changed"
    if not options.flag("--quiet"):
        say(f"{done}: {os.fsdecode(name)} in {path}")
    return 0


def _name(text: str) -> bytes:
    name = os.fsencode(text)
    if not text.isprintable() or b":" in name or name != name.strip() or name[:1] in (b"", b"#", b"@"):
        raise BadUsage(f"{text!r} can't be the name of a user")
    if name in (b"users", b"anonymous"):
        raise BadUsage(f"{text} means something else in the rules of --access")
    return name


def _users(data: bytes, path: str) -> list[bytes]:
    if not data.strip():
        return []
    try:
        return list(parse_htpasswd(data))
    except BadUsage as error:
        raise BadUsage(f"{path}: {error}") from None


def _check_there(data: bytes, name: bytes, path: str, expected: bool) -> None:
    if (name in _users(data, path)) != expected:
        what = "there is no user" if expected else "there is already a user"
        raise BadUsage(f"{what} {os.fsdecode(name)} in {path}")


def _password(from_stdin: bool) -> bytes:
    if from_stdin:
        password = sys.stdin.buffer.readline().rstrip(b"\n")
    else:
        password = os.fsencode(getpass("Password: "))
        if os.fsencode(getpass("Once more: ")) != password:
            raise BadUsage("these are two different passwords")
    if not password or len(password) > _LONGEST or password == _PLACEHOLDER or b"\0" in password:
        raise BadUsage("a password has between 1 and 72 bytes, and is not three dots")
    return password


def _is_of(line: bytes, name: bytes) -> bool:
    return line.strip().startswith(name + b":")


def _with(data: bytes, name: bytes, line: bytes, path: str) -> bytes:
    """The file with a line for the user, in the place of the one that they have had."""
    _users(data, path)
    lines = data.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    if not any(_is_of(old, name) for old in lines):
        return b"".join([*lines, line])
    return b"".join(line if _is_of(old, name) else old for old in lines)


def _without(data: bytes, name: bytes, path: str) -> bytes:
    _check_there(data, name, path, expected=True)
    kept = b"".join(line for line in data.splitlines(keepends=True) if not _is_of(line, name))
    if not _users(kept, path):
        raise BadUsage(f"{os.fsdecode(name)} is the last user in {path}, and the server needs one: remove the file")
    return kept
