"""What bin/package makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def make(what: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Makes one in a directory. docopt, which goes into the single file, is where our own Python has it."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run([ROOT / "bin/package", what, directory], env=env, capture_output=True, text=True, check=False)
