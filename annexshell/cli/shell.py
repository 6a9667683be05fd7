"""git-annex-shell: what sshd starts, as a forced command or as a login shell (upstream: CmdLine/GitAnnexShell.hs).

Eight commands of git-annex are served here; everything else goes to git-shell. The administrator restricts what an
account may do by environment variables. A session pays for each import, so a command's module is imported when the
command is called.
"""

from __future__ import annotations

import os
import sys

from annexshell.cli.words import quote, split
from annexshell.errors import AnnexshellError, BadUsage, Refused, internal_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation

_COMMANDS = {
    "configlist": "outputs relevant git configuration",
    "dropkey": "drops annexed content for specified keys",
    "gcryptsetup": "sets up gcrypt repository",
    "inannex": "checks if keys are present in the annex",
    "notifychanges": "sends notification when git refs are changed",
    "p2pstdio": "communicate in P2P protocol over stdio",
    "recvkey": "runs rsync in server mode to receive content",
    "sendkey": "runs rsync in server mode to send content",
}
_NOT_APPEND_ONLY = ("dropkey", "gcryptsetup")
_NOT_READ_ONLY = ("dropkey", "gcryptsetup", "recvkey")
_GIT_COMMANDS = ("git-upload-pack", "git-receive-pack", "git-upload-archive")

_USAGE = """Usage: git-annex-shell [-c] command [parameters ...] [option ...]

Plumbing commands:

{commands}

Everything else is passed to git-shell. Options: --uuid=UUID, --debug, --help, --version.
To serve a key in authorized_keys: command="git-annex-shell -c \\"$SSH_ORIGINAL_COMMAND\\"",restrict ssh-ed25519 ...
Restrictions: GIT_ANNEX_SHELL_READONLY, _APPENDONLY, _LIMITED (any value), GIT_ANNEX_SHELL_DIRECTORY
(a directory, or several: /srv/a:/srv/b).
GIT_ANNEX_SHELL_LOG (a file, or syslog) logs each operation. See also: annexshell settings."""


def main(argv: list[str] | None = None) -> None:
    """Runs the command line and ends the process by os._exit: tearing down the interpreter takes longer than many
    requests do."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from annexshell.cli.closed import open_closed

        open_closed(os.O_RDONLY)  # so that writing to a closed output fails, instead of vanishing
    code, failure = 0, None
    try:
        code = run(sys.argv[1:] if argv is None else argv)
    except AnnexshellError as error:
        failure = error
    except Exception as error:  # a client gets a sentence, never a traceback
        failure = internal_error(error)
    try:
        if failure is not None:
            code = failure.exit_code
            print(f"git-annex-shell: {_shown(failure)}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        code = code or 1
        _say_if_possible(f"git-annex-shell: nobody gets an answer ({error.strerror})")
    os._exit(code)


def _say_if_possible(sentence: str) -> None:
    try:
        os.write(2, sentence.encode() + b"\n")
    except OSError:
        pass


def _shown(failure: AnnexshellError) -> str:
    """The error as the client may see it. Paths are left out, except from a refusal: it repeats what the client asked
    for."""
    from annexshell.model.show import for_client, visible

    return visible(failure.public, None, "\n") if isinstance(failure, Refused) else for_client(failure.public)


def run(args: list[str]) -> int:
    """Runs a command line without the program's name; returns the exit code. Raises AnnexshellError."""
    while args and args[0] == "-c":
        args = args[1:]
    if len(args) == 1 and _is_ourselves(args[0]):  # a login shell gets the whole command as one string
        return run(split(args[0])[1:])
    if args in (["--help"], ["-h"]):
        print(_usage())
        return 0
    if args == ["--version"]:
        from annexshell import __version__

        print(f"git-annex-shell (annexshell) {__version__}")
        return 0
    if not args or (args[0] in _COMMANDS and len(args) < 2):
        raise BadUsage("bad parameters\n\n" + _usage())
    if args[0] not in _COMMANDS:
        return _git_shell(args)
    if args[2:] in (["--help"], ["-h"]):
        print(_usage())
        return 0
    return _builtin(args[0], args[1], args[2:])


def _is_ourselves(text: str) -> bool:
    """Whether one argument is a whole command line of git-annex-shell, which clients may name by a path."""
    program, blank, _ = text.partition(" ")
    return bool(blank) and os.path.basename(program) == "git-annex-shell"


def _usage() -> str:
    width = max(map(len, _COMMANDS))
    return _USAGE.format(commands="\n".join(f"{name:<{width}}  {text}" for name, text in _COMMANDS.items()))


def _blocked(variable: str) -> bool:
    return bool(os.environ.get("GIT_ANNEX_SHELL_" + variable))


def _check_allowed(command: str) -> None:
    if command in _NOT_READ_ONLY and _blocked("READONLY"):
        raise BadUsage("Action blocked by GIT_ANNEX_SHELL_READONLY")
    if command in _NOT_APPEND_ONLY and _blocked("APPENDONLY"):
        raise BadUsage("Action blocked by GIT_ANNEX_SHELL_APPENDONLY")


def _builtin(command: str, directory: str, params: list[str]) -> int:
    from annexshell.cli.context import open_invocation

    _check_allowed(command)
    if command == "configlist" and "autoinit=1" in params and os.environ.get("GIT_ANNEX_SHELL_CREATE"):
        from annexshell.cli.firstpush import ensure

        ensure(directory)
    invocation: Invocation = open_invocation(command, directory, params)
    module = __import__(f"annexshell.cli.{command}", fromlist=["run"])  # importlib would cost more than the module
    code: int = module.run(invocation)
    return code


def _git_shell(args: list[str]) -> int:
    """Becomes git-shell, which checks the command itself. Where GIT_ANNEX_SHELL_DIRECTORY restricts the account,
    git-shell gets the path that was checked, quoted by us: it might read the client's words in another way."""
    from annexshell.cli.context import check_directory
    from annexshell.repo.initialization.smudging import bypassing

    params = args[: args.index("--")] if "--" in args else args
    if os.environ.get("GIT_ANNEX_SHELL_DIRECTORY") is not None:
        words = split(" ".join(params)) if len(params) == 1 else params
        if words[:1] == ["git"]:
            words = ["git-" + words[1], *words[2:]] if len(words) > 1 else words
        if len(words) != 2 or words[0] not in _GIT_COMMANDS:
            check_directory(None)
        params = [f"{words[0]} {quote(os.fsdecode(check_directory(words[-1])))}"]
    if _blocked("LIMITED"):
        raise BadUsage("Action blocked by GIT_ANNEX_SHELL_LIMITED")
    env = bypassing(os.environb)
    if os.environ.get("GIT_ANNEX_SHELL_CREATE"):
        directory = _pushed_to(split(" ".join(params)))
        if directory is not None:
            from annexshell.cli.firstpush import receive

            code = receive(params, directory, env)
            if code is not None:
                return code
    if env is not os.environb and not _blocked("READONLY"):
        _settle(split(" ".join(params)))
    try:
        os.execvpe("git-shell", ["git-shell", "-c", *params], env)
    except OSError as error:
        raise BadUsage(f"git-shell failed: {error.strerror}") from None


def _pushed_to(words: list[str]) -> str | None:
    """The directory of a push; None if it is none."""
    if words[:1] == ["git"]:
        words = ["git-" + word for word in words[1:2]] + words[2:]
    return words[1] if len(words) == 2 and words[0] == "git-receive-pack" else None  # git-shell checks the rest


def _settle(words: list[str]) -> None:
    """Prepares a repository for a push, if git-annex has been used there and is not installed here."""
    directory = _pushed_to(words)
    if directory is not None:
        from annexshell.cli.context import check_directory, child_environment
        from annexshell.repo.initialization.settling import settle
        from annexshell.repo.initialization.smudging import bypassing

        settle(check_directory(directory), bypassing(child_environment()), _say_if_possible)
