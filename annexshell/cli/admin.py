"""annexshell: the administrator's command. One module for each verb, imported when it is called."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> None:
    """Runs a verb and exits with its code."""
    from annexshell import __version__

    print(f"annexshell {__version__}")
    sys.exit(0)
