"""Our git-annex-shell with a fault at a chosen point: the process is killed, or a system call fails.

The points are the calls of `os` functions that change or flush something on disk, counted from the greeting on, so that
a test can go through all of them.
"""

from __future__ import annotations

from pathlib import Path

CALLS = "open write rename unlink rmdir mkdir chmod fsync fdatasync truncate posix_spawnp sendfile".split()

_SCRIPT = """
import builtins
import errno
import os

_kind, _at = os.environ["FAULT"].split(":")
_count = 0


def _strike(name, args):
    global _count
    if name == "write" and args[0] == _peer:
        return
    _count += 1
    if os.environ.get("FAULT_TRACE"):
        _trace.write(f"{_count} {name} {args[:2]}\\n")
        _trace.flush()
    if _count != int(_at):
        return
    if _kind == "KILL":
        os.kill(os.getpid(), 9)
    raise OSError(getattr(errno, _kind), os.strerror(getattr(errno, _kind)))


def _wrap(module, name):
    real = getattr(module, name)

    def wrapped(*args, **kwargs):
        _strike(name, args)
        return real(*args, **kwargs)

    setattr(module, name, wrapped)


def arm():
    for name in %r:
        _wrap(os, name)


if os.environ.get("FAULT_TRACE"):
    _trace = open(os.environ["FAULT_TRACE"], "w")

import annexshell.serve.stdio as stdio

_take = stdio.take_stdio


def take_stdio():
    stream = _take()
    _write = stream.write

    def write(data):
        global _peer
        _peer = stream.out_fd
        del stream.write
        _write(data)
        arm()

    stream.write = write
    return stream


stdio.take_stdio = take_stdio
"""


def faulty_shell(shell: Path, directory: Path) -> Path:
    """A program like `shell` that reads its fault from FAULT: `KILL:n`, or the name of an errno instead of KILL."""
    script = directory / "faulty-git-annex-shell"
    script.write_text(shell.read_text().replace("main()\n", f"{_SCRIPT % (CALLS,)}\nmain()\n"))
    script.chmod(0o755)
    return script
