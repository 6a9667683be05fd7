"""How long a client waits for the greeting."""

from __future__ import annotations

import sys

from tests.bench.client import Session, p2pstdio
from tests.bench.model import Place, Row, Workload, at_most

# The least that a server in Python could do: start, and ask git for its configuration once.
_BARE = """
import os
reading, writing = os.pipe()
argv = ["git", "-C", %r, "config", "--null", "--list"]
child = os.posix_spawnp("git", argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
os.close(writing)
while os.read(reading, 65536):
    pass
os.waitpid(child, 0)
os.write(1, b"AUTH-SUCCESS\\n")
"""


class Start(Workload):
    """From the start of the process to AUTH-SUCCESS, and how often a bare interpreter could have done that instead."""

    name = "start"
    runs = 40
    rows = (Row("greeting", "ms", at_most(20)), Row("times-bare", "x", at_most(2)), Row("bare", "ms"))

    def run(self, place: Place) -> dict[str, float]:
        with p2pstdio(place.side.shell, place.repository, place.uuid) as session:
            session.end()
        with Session(sys.executable, "-I", "-S", "-c", _BARE % str(place.repository)) as bare:
            pass
        return {
            "greeting": session.started * 1e3,
            "times-bare": session.started / bare.started,
            "bare": bare.started * 1e3,
        }


WORKLOADS = [Start()]
