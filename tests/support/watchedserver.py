"""bin/annexshell with other limits than the usual ones, and a count of what its workers are busy with.

It runs as a program; see tests.support.census. `LIMITS` in the environment are words such as idle=2 for the limits of
the server, and MODULE:NAME=2 for a number of a module's. On SIGUSR2 a worker writes how many greenlets it has to
COUNTS/PID.
"""

from __future__ import annotations

import gc
import os
import signal
from importlib import import_module
from inspect import signature

from gevent import Greenlet

from annexshell.cli.admin.main import main
from annexshell.serve.http.entrance import Limits


def change(words: list[str]) -> None:
    given = dict(word.split("=") for word in words)
    names = list(signature(Limits).parameters)
    usual = dict(zip(names, Limits.__init__.__defaults__ or (), strict=True))
    Limits.__init__.__defaults__ = tuple(float(given.pop(name, value)) for name, value in usual.items())
    for place, value in given.items():
        module, name = place.split(":")
        getattr(import_module(module), name)  # it may have moved
        setattr(import_module(module), name, float(value))


def count(*_: object) -> None:
    gc.collect()
    greenlets = sum(issubclass(type(found), Greenlet) and not found.ready() for found in gc.get_objects())
    path = f"{os.environ['COUNTS']}/{os.getpid()}"
    with open(path + ".new", "w") as file:
        file.write(str(greenlets))
    os.rename(path + ".new", path)


if __name__ == "__main__":
    change(os.environ["LIMITS"].split())
    signal.signal(signal.SIGUSR2, count)
    main()
