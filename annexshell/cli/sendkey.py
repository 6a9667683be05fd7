"""sendkey: sends the content of a key through rsync's server mode (Command/SendKey.hs). Used by gcrypt remotes."""

from __future__ import annotations

from annexshell.cli.inannex import parse_keys
from annexshell.disk.spawn import spawn, wait
from annexshell.errors import BadUsage, NotPresent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation
    from annexshell.model.key import Key


def run(invocation: Invocation) -> int:
    """Returns 0 if rsync sent the content, else 1."""
    key = single_key(invocation)
    parts = invocation.parts()
    opened = parts.contents.objects.open(key)
    if opened is None:
        raise NotPresent("requested key is not present")
    opened.close()
    transfer = parts.transfers().sending(key, b"", invocation.fields.get("remoteuuid", "").encode())
    succeeded = False
    try:
        succeeded = serve_rsync(invocation, opened.path, sender=True) == 0
    finally:
        if transfer is not None:
            transfer.end(succeeded)
    return 0 if succeeded else 1


def single_key(invocation: Invocation) -> Key:
    """The only parameter of a command, as a key. Raises BadUsage."""
    if len(invocation.words) != 1:
        raise BadUsage(f"bad parameters: {invocation.command} needs one key")
    return parse_keys(invocation.words)[0]


def serve_rsync(invocation: Invocation, path: bytes, sender: bool) -> int:
    """Runs rsync's server side on one file. Of the client's options only a bandwidth limit is passed on: others could
    name more files."""
    argv: list[bytes | str] = ["rsync", "--server"]
    if sender:
        argv.append("--sender")
    argv += ["-t", "--inplace", "-e.Lsf"]
    argv += [word for word in invocation.extra if word.startswith("--bwlimit=") and word[10:].isdigit()]
    return wait(spawn([*argv, ".", path], invocation.git.env, stdin=0, stdout=1))
