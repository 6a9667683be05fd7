"""Standard streams that are closed, as wrappers and service managers close what they think nobody needs.

The next file to be opened would take the place of such a stream, and be read, or written to, in its stead.
"""

from __future__ import annotations

import os
import sys


def open_closed(output: int) -> None:
    """Puts /dev/null where a standard stream is closed. It has to come before anything else is opened. `output` is how
    it is opened for standard output: with O_RDONLY, writing fails as it does on a closed stream."""
    for fd, flags in enumerate((os.O_RDONLY, output, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            opened = os.open(os.devnull, flags)  # gets the lowest number that is free: this one
            os.set_inheritable(opened, True)
    # Python has made no files of those. Nothing is known of encodings, and nobody reads what is written.
    sys.stdin = sys.stdin or open(0, closefd=False)
    sys.stdout = sys.stdout or open(1, "w", errors="backslashreplace", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", errors="backslashreplace", closefd=False)
