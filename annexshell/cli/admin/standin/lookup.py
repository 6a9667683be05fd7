"""git annex lookupkey and contentlocation: with these a forge finds the content of an annexed file, to show it in the
browser (upstream: Command/LookupKey.hs, Command/ContentLocation.hs)."""

from __future__ import annotations

import os
import sys

from annexshell.cli.admin.options import Options
from annexshell.cli.admin.target import find, looked_at
from annexshell.disk.spawn import NOWHERE, output
from annexshell.errors import BadKey, BadUsage
from annexshell.model.key import parse_key
from annexshell.store.worktree.files import LARGEST_POINTER, parse_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.git.program import Git
    from annexshell.model.key import Key

_ABSENT = 1  # an exit code


def lookupkey(words: list[str]) -> int:
    """Prints the key of the annexed file that a name of git's (`--ref NAME`) leads to: a blob that is a pointer, or the
    target of a symlink. Returns 1 and prints nothing for all else. Raises BadUsage, NotARepository."""
    if len(words) != 2 or words[0] != "--ref":
        raise BadUsage("lookupkey needs --ref and one name of git's, such as an object id or HEAD:FILE")
    _, git, _ = find(os.environ.get("GIT_DIR"))
    try:
        key = _key_in(git, os.fsencode(words[1]))
    finally:
        git.close()
    return _ABSENT if key is None else _print(key.serialized)


def _key_in(git: Git, name: bytes) -> Key | None:
    """The key in a blob, which is read only if it is no larger than pointers are."""
    if name.startswith(b"-"):  # an option; nothing in git is called so
        return None
    code, size = output(git.argv("cat-file", "-s", name), git.env, NOWHERE)
    if code != 0 or int(size) > LARGEST_POINTER:
        return None
    content = git.object(name, b"blob")
    return None if content is None else parse_pointer(content[1])


def contentlocation(words: list[str]) -> int:
    """Prints the path of a key's object, from the current directory. Returns 1 and prints nothing if it is not here.
    Raises BadUsage, NotARepository, OSError."""
    if len(words) != 1:
        raise BadUsage("contentlocation needs one key")
    try:
        key = parse_key(os.fsencode(words[0]))
    except BadKey:
        raise BadUsage("bad key") from None
    with looked_at(Options({"--repo": os.environ.get("GIT_DIR")})) as parts:
        path = parts.contents.objects.locate(key)
    return _ABSENT if path is None else _print(os.path.relpath(path))


def _print(line: bytes) -> int:
    """For programs: as it is, whatever bytes are in it."""
    sys.stdout.flush()
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
    return 0
