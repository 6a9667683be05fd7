"""annexshell completion: scripts that have a shell complete command lines. They are made of the verbs' usage texts, so
that there is nothing to keep in step."""

from __future__ import annotations

from importlib import import_module

from annexshell.cli.admin.report import say
from annexshell.cli.admin.serving.completion.usage import Verb, parse_verb, verbs_in
from annexshell.cli.admin.verbs import MODULES
from annexshell.cli.admin.verbs import USAGE as ALL
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

SHELLS = ("bash", "zsh", "fish")

USAGE = """Prints a script that has a shell complete the verbs, options and arguments of annexshell.

Usage:
  annexshell completion <shell>
  annexshell completion --help

SHELL is bash, zsh or fish. For one session:

  source <(annexshell completion bash)
  source <(annexshell completion zsh)
  annexshell completion fish | source

From the next session on, for one account (zsh looks in the directories of its fpath, after compinit):

  annexshell completion bash >~/.local/share/bash-completion/completions/annexshell
  annexshell completion zsh >~/.zfunc/_annexshell
  annexshell completion fish >~/.config/fish/completions/annexshell.fish

Options:
  -h --help  Show this.
"""


def run(options: Options) -> int:
    """Prints the script for a shell."""
    shell = options.text("<shell>")
    if shell not in SHELLS:
        raise BadUsage(f"there is no completion for {shell}, only for {', '.join(SHELLS)}")
    say(script(shell), end="")
    return 0


def script(shell: str) -> str:
    """The script for a shell. Raises BadUsage for one that we do not know."""
    module = import_module(f"annexshell.cli.admin.serving.completion.{shell}")
    made: str = module.script(all_verbs())
    return made


def all_verbs() -> list[Verb]:
    """All verbs, in the order of `annexshell --help`."""
    return [parse_verb(name, text, import_module(MODULES[name]).USAGE) for name, text in verbs_in(ALL)]
