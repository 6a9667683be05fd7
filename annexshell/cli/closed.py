"""Standard streams that wrappers and service managers have closed.

The next file that we open would get the number of such a stream, and then be read, or written to, in its place.
"""

from __future__ import annotations

import os
import sys


def open_closed(output: int) -> None:
    """Opens /dev/null in place of each closed standard stream; to be called before anything else is opened. `output`
    is the mode for standard output: with O_RDONLY, writing to it fails, as it does on a closed stream."""
    for fd, flags in enumerate((os.O_RDONLY, output, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            opened = os.open(os.devnull, flags)  # gets the lowest free number, which is this one
            os.set_inheritable(opened, True)
    # Python leaves sys.stdin and its siblings None for closed streams.
    sys.stdin = sys.stdin or open(0, closefd=False)
    sys.stdout = sys.stdout or open(1, "w", errors="backslashreplace", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", errors="backslashreplace", closefd=False)
