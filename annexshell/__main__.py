"""Both programs in one, for `python -m annexshell` and the single-file archive: which one it is, its name says."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs git-annex-shell if it is called so, as by a symlink, and annexshell otherwise."""
    if os.path.basename(sys.argv[0]).startswith("git-annex-shell"):
        from annexshell.cli.shell import main as run
    else:
        from annexshell.cli.admin.main import main as run
    run()


if __name__ == "__main__":
    main()
