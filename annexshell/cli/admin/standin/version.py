"""git annex version: what programs look at to find out whether git-annex is there and what it can do (upstream:
Command/Version.hs)."""

from __future__ import annotations

import os
import platform

from annexshell import __version__
from annexshell.cli.admin.report import say
from annexshell.cli.admin.target import find
from annexshell.errors import BadUsage, NotARepository
from annexshell.model.hashes import HASHES, computable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FOLLOWED = "10.20261026"
"""The release of git-annex that we behave like: what others compare with the version that they need."""

_REPOSITORIES = "8 9 10"
# By these build flags programs know that p2phttp is there, and hashes that need a library.
_FLAGS = (("Servant", None), ("Blake3", b"BLAKE3_256"), ("XXH3", b"XXH3"))
_WITHOUT_HASH = "WORM URL GITBUNDLE GITMANIFEST VURL X*"


def version(words: list[str]) -> int:
    """With --raw, prints the version alone and no line break, as the original does. Raises BadUsage, ChildFailed."""
    if words not in ([], ["--raw"]):
        raise BadUsage("version takes only --raw here")
    release = f"{FOLLOWED}-annexshell-{__version__}"
    if words:
        say(release, end="")
        return 0
    for name, value in _facts(release):
        say(f"{name}: {value}")
    return 0


def _facts(release: str) -> Iterator[tuple[str, str]]:
    varieties = [os.fsdecode(variety) for variety in HASHES if computable(variety)]
    yield "git-annex version", release
    yield "build flags", " ".join(flag for flag, needed in _FLAGS if needed is None or computable(needed))
    yield "dependency versions", f"annexshell-{__version__} python-{platform.python_version()}"
    yield "key/value backends", " ".join([f"{name}E {name}" for name in varieties] + [_WITHOUT_HASH])
    yield "remote types", "git p2p"
    yield "operating system", f"{platform.system().lower()} {platform.machine()}"
    yield "supported repository versions", _REPOSITORIES
    yield "upgrade supported from repository versions", _REPOSITORIES
    try:
        _, git, config = find(os.environ.get("GIT_DIR"))
    except NotARepository:
        return
    git.close()
    if config.get("annex.version"):
        yield "local repository version", os.fsdecode(config.get("annex.version") or b"")
