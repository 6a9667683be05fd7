"""The command line of annexshell."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from annexshell import __version__
from annexshell.cli.admin.progress import LINE
from annexshell.cli.closed import open_closed
from annexshell.errors import AnnexshellError, BadUsage, internal_error
from annexshell.model.show import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

USAGE = """annexshell - looks after git-annex repositories that git-annex-shell serves

Usage:
  annexshell <verb> [<args>...]
  annexshell --help
  annexshell --version

Verbs for any repository:
  init           makes a git repository one of git-annex
  info           what a repository is, and does: its clusters, their nodes, transfers
  status         what is going on: transfers, locks and who holds them, nodes, sessions
  top            the same, again and again
  settings       what can be set, for all or for one repository, and what it costs

Accounts:
  authorized-keys  gives an ssh key access by git-annex-shell, or takes it
  doctor           what is wrong with an account or a repository, and what to do about it

Servers:
  p2phttp        serves repositories over HTTP, in place of git annex p2phttp

Verbs about what repositories hold:
  wanted         what content a repository wants
  required       what content a repository must not lose
  group          adds a repository to a group
  ungroup        takes a repository out of a group
  groupwanted    what content the repositories of a group want
  maxsize        how much a repository may hold, and how full all are
  vicfg          all of that, and clusters, in an editor
  sim            tries out where uploads to a cluster would go

Verbs for gateways:
  initcluster    makes a cluster
  addnode        makes a remote a node of a cluster
  removenode     takes a node out of a cluster
  updatecluster  tells clients of nodes and proxied remotes, as the git config has them
  extendcluster  makes a repository one more gateway of a cluster
  renamecluster  gives a cluster another name
  removecluster  ends a cluster
  updateproxy    tells clients of proxied remotes, as the git config has them

For shells:
  completion     prints what has bash, zsh or fish complete command lines

"annexshell <verb> --help" tells more.
"""

# Rooms of verbs. A verb is a module, imported when it is called.
_ROOMS = {
    "repository": "init info settings wanted required group ungroup groupwanted maxsize vicfg",
    "cluster": "initcluster addnode removenode updatecluster extendcluster renamecluster removecluster updateproxy sim",
    "access": "authorized-keys",
    "serving": "p2phttp completion",
    "watching": "status top doctor",
}
_VERBS = {verb: f"{room}.{verb.replace('-', '_')}" for room, verbs in _ROOMS.items() for verb in verbs.split()}
_LINES = "\n"  # which usage has
_INTERRUPTED = 130  # as shells say of who ended by ^C


def main(argv: list[str] | None = None) -> None:
    """Runs a verb and exits with its code."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        open_closed(os.O_WRONLY)
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except AnnexshellError as error:
        print(f"annexshell: {visible(str(error), None, _LINES)}", file=sys.stderr)
        code = error.exit_code
    except ModuleNotFoundError as error:
        print(f"annexshell: {visible(str(internal_error(error)))}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except OSError as error:
        print(f"annexshell: {error.strerror}: {visible(os.fsdecode(error.filename or ''))}", file=sys.stderr)
        code = 1
    sys.exit(code)


def _run(argv: list[str]) -> int:
    from docopt import DocoptExit, docopt  # may be missing where annexshell is a single file

    options = docopt(USAGE, argv or ["--help"], version=f"annexshell {__version__}", options_first=True)
    verb = options["<verb>"]
    if verb not in _VERBS:
        raise BadUsage(f'there is no verb {verb}; "annexshell --help" lists them')
    module = module_of(verb)
    try:
        parsed = docopt(module.USAGE, [verb, *options["<args>"]])
    except DocoptExit as error:
        wrong = _unknown_option(options["<args>"], module.USAGE)
        raise BadUsage(f"{verb} is not called so{wrong}\n{error.usage.strip()}") from None
    if not parsed.get("--quiet"):
        LINE.turn_on()
    try:
        code: int = module.run(parsed)
    finally:
        LINE.clear()
    return code


def _unknown_option(words: list[str], usage: str) -> str:
    """Which option does not exist, and which one may be meant: the usage of some verbs is long. Empty if all exist."""
    from difflib import get_close_matches

    known = {word.strip("[](),.|").partition("=")[0] for word in usage.split() if word.strip("[(").startswith("--")}
    for word in words[: words.index("--")] if "--" in words else words:
        name = word.partition("=")[0]
        if name.startswith("--") and not any(option.startswith(name) for option in known):
            likely = get_close_matches(name, known, 1)
            return f": there is no option {name}" + "".join(f", but {option}" for option in likely)
    return ""


def module_of(verb: str) -> ModuleType:
    """The module of a verb, with its USAGE and `run`."""
    return import_module("annexshell.cli.admin." + _VERBS[verb])
