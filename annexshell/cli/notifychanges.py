"""notifychanges: tells a client when refs of the repository change (Command/NotifyChanges.hs)."""

from __future__ import annotations

import os
import select

from annexshell.cli.context import refuse_words
from annexshell.errors import PeerGone
from annexshell.git.watching import BURST, watch_refs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation


def run(invocation: Invocation) -> int:
    """Prints READY, and then a line for each burst of changes, until standard input ends."""
    refuse_words(invocation)
    refs = watch_refs(invocation.paths.common_dir, invocation.git)
    _tell(b"READY\n")
    while True:
        ready, _, _ = select.select([0, refs.fd], [], [])
        if 0 in ready and not os.read(0, 65536):
            raise PeerGone("the client closed the connection")
        if refs.fd in ready:
            select.select([], [], [], BURST)
            values = refs.changed_values()
            if values:
                _tell(b"CHANGED %b\n" % b" ".join(values))


def _tell(line: bytes) -> None:
    try:
        os.write(1, line)
    except OSError as error:
        raise PeerGone(f"the client no longer listens ({error.strerror})") from None
