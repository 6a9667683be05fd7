"""The command line of annexshell."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from annexshell import __version__
from annexshell.cli.admin.options import Options
from annexshell.cli.admin.progress import LINE
from annexshell.cli.admin.standin import NAME, answer, as_verb, give_way
from annexshell.cli.admin.verbs import MODULES, USAGE
from annexshell.cli.closed import open_closed
from annexshell.errors import AnnexshellError, BadUsage, internal_error
from annexshell.model.show import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

_LINES = "\n"  # the usage text in an error keeps its line breaks
_INTERRUPTED = 130  # what shells report of a program that ^C ended


def main(argv: list[str] | None = None) -> None:
    """Runs a verb, or a command of git-annex if we are called so, and exits with its code."""
    program = NAME if os.path.basename(sys.argv[0]) == NAME else "annexshell"
    words = sys.argv[1:] if argv is None else argv
    if None in (sys.stdin, sys.stdout, sys.stderr):
        open_closed(os.O_WRONLY)
    try:
        code = _run_as_git_annex(words) if program == NAME else _run(words)
        sys.stdout.flush()
    except AnnexshellError as error:
        print(f"{program}: {visible(str(error), None, _LINES)}", file=sys.stderr)
        code = error.exit_code
    except ModuleNotFoundError as error:
        print(f"{program}: {visible(str(internal_error(error)))}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except OSError as error:
        print(f"{program}: {error.strerror}: {visible(os.fsdecode(error.filename or ''))}", file=sys.stderr)
        code = 1
    sys.exit(code)


def _run(argv: list[str]) -> int:
    from docopt import DocoptExit, docopt  # may be missing where annexshell is a single file

    options = docopt(USAGE, argv or ["--help"], version=f"annexshell {__version__}", options_first=True)
    verb = options["<verb>"]
    if verb not in MODULES:
        raise BadUsage(f'there is no verb {verb}; "annexshell --help" lists them')
    module = import_module(MODULES[verb])
    try:
        parsed = docopt(module.USAGE, [verb, *options["<args>"]])
    except DocoptExit as error:
        wrong = _unknown_option(options["<args>"], module.USAGE)
        raise BadUsage(f"wrong arguments for {verb}{wrong}\n{error.usage.strip()}") from None
    if not parsed.get("--quiet"):
        LINE.turn_on()
    try:
        code: int = module.run(Options(parsed))
    finally:
        LINE.clear()
    return code


def _run_as_git_annex(words: list[str]) -> int:
    give_way(words)
    verb = as_verb(words)
    return answer(words) if verb is None else _run(verb)


def _unknown_option(words: list[str], usage: str) -> str:
    """Names an option that does not exist and one that may be meant, since some usage texts are long. Empty if all
    options exist."""
    from difflib import get_close_matches

    known = {word.strip("[](),.|").partition("=")[0] for word in usage.split() if word.strip("[(").startswith("--")}
    for word in words[: words.index("--")] if "--" in words else words:
        name = word.partition("=")[0]
        if name.startswith("--") and not any(option.startswith(name) for option in known):
            likely = get_close_matches(name, known, 1)
            return f": there is no option {name}" + "".join(f"; did you mean {option}?" for option in likely)
    return ""
