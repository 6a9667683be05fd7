"""annexshell authorized-keys: what a key may do with git-annex-shell, as a line of authorized_keys."""

from __future__ import annotations

import json
import os
import pwd
import sys

from annexshell.cli.admin.access.forced import PROGRAM, KeyGrant, check_expressible, heeds_environment, parse_command
from annexshell.cli.admin.access.keyfile import edit, entries, granted, read_lines, revoked, ssh_home
from annexshell.cli.admin.access.sshkeys import KeyEntry, looks_like_key, parse_public_key
from annexshell.cli.admin.report import say, warn
from annexshell.errors import BadUsage, ChildFailed, NotARepository
from annexshell.git.paths import locate
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.cli.admin.access.sshkeys import PublicKey
    from annexshell.cli.admin.options import Options

USAGE = """Gives a public key access through git-annex-shell: prints its line for authorized_keys, or edits that file.

Usage:
  annexshell authorized-keys [options] [--directory=DIR]... [--] <key>
  annexshell authorized-keys --remove [options] [--] <key>
  annexshell authorized-keys --list [options]

KEY is the file of a public key, its text in one argument, or - for standard input. To remove a key, its fingerprint
(SHA256:...) will do.

What the key may do:
  --read-only         Fetch only, also with git.
  --append-only       Add, but neither remove nor overwrite, also with git.
  --limited           No git: only the commands of git-annex.
  --directory=DIR     Use this repository only. Can be repeated.
  --create=DIR        Make new repositories below this directory, by a push, and use those there.

Options:
  --file=FILE         Edit or list this file.
  --install           Edit ~/.ssh/authorized_keys.
  --remove            Take the key out of ~/.ssh/authorized_keys, or out of FILE.
  --list              List the keys that use git-annex-shell, and what they may do.
  --program=PATH      The git-annex-shell to run, if not the one beside this annexshell.
  --json              Print the result as JSON.
  -q --quiet          Print only warnings and results.
  -h --help           Show this.

A key that is in the file already gets its new rights on the same line, and keeps options such as from="...". Lines for
anything but git-annex-shell are left alone. The file is replaced atomically, and only if something changes.
"""


def run(options: Options) -> int:
    """Prints a line, or edits or lists a file."""
    if options.flag("--list"):
        return _list(_file(options), options.flag("--json"))
    if options.flag("--remove"):
        wanted = _matcher(options.text("<key>"))
        return _edit(options, _file(options), lambda lines: revoked(lines, wanted), "removed")
    key = parse_public_key(_text(options.text("<key>")))
    grant = _grant(options)
    if options.flag("--install") and not options.given("--file") and _is_roots(_file(options)):
        warn("these are root's keys: whoever has this one comes in as root; run it as whom the repositories belong to")
    if options.given("--file") or options.flag("--install"):
        return _edit(options, _file(options), lambda lines: granted(lines, key, grant.command()), "granted")
    (line,) = granted([], key, grant.command())
    say(json.dumps({"command": "authorized-keys", "success": True, "line": line}) if options.flag("--json") else line)
    return 0


def _file(options: Options) -> str:
    if file := options.given("--file"):
        return file
    home = ssh_home()
    if not home:
        raise BadUsage("this account has no home directory: --file names the file of its keys")
    return f"{home}/.ssh/authorized_keys"


def _is_roots(path: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(pwd.getpwuid(0).pw_dir) + "/")


def _text(word: str) -> str:
    """The text of the key that an argument names or holds."""
    if looks_like_key(word):
        return word
    if word == "-":
        return sys.stdin.read()
    try:
        with open(word, "rb") as file:
            return file.read(100_000).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise BadUsage(f"{word} is neither a public key nor a file") from None


def _matcher(word: str) -> Callable[[KeyEntry], bool]:
    if word.startswith("SHA256:"):
        return lambda entry: entry.key.fingerprint == word
    key = parse_public_key(_text(word))
    return lambda entry: entry.key.blob == key.blob


def _grant(options: Options) -> KeyGrant:
    if options.flag("--read-only") and options.flag("--append-only"):
        raise BadUsage("--read-only and --append-only exclude each other")
    mode = READ_ONLY if options.flag("--read-only") else APPEND_ONLY if options.flag("--append-only") else READ_WRITE
    if "" in options.texts("--directory"):
        raise BadUsage("--directory needs a directory")
    directories = list(dict.fromkeys(map(os.path.abspath, options.texts("--directory"))))
    program = _program(options.given("--program"))
    check_expressible([*directories])
    if mode != READ_WRITE and not options.flag("--limited") and _is_old_git():
        warn(f"git here is older than 2.31, and lets pushes get round --{mode}; use a newer one, or add --limited")
    for directory in directories:
        try:
            locate(os.fsencode(directory))
        except (NotARepository, OSError):
            warn(f"there is no git repository {directory} now; clients have to name it exactly so")
    return KeyGrant(mode, options.flag("--limited"), directories, program, create=_create(options, mode))


def _create(options: Options, mode: str) -> str:
    """The directory for new repositories, empty if there is none."""
    if options.given("--create") is None:
        return ""
    directory = os.path.abspath(options.text("--create"))
    if mode == READ_ONLY or options.flag("--limited"):
        raise BadUsage("--create needs a key that may push")
    if not os.path.isdir(directory):
        raise BadUsage(f"{directory} is not a directory")
    check_expressible([directory])
    return directory


def _is_old_git() -> bool:
    """Whether git on this host is too old to heed the restrictions that a forced command puts into its environment."""
    from annexshell.cli.admin.watching.doctor.account import git_version

    try:
        return not heeds_environment(git_version("git"))
    except ChildFailed:
        return False  # there is no git


def _program(given: str | None) -> str:
    """The absolute path of the git-annex-shell that a forced command is to run. Raises BadUsage."""
    own = os.path.abspath(sys.argv[0])
    beside = [os.path.join(os.path.dirname(path), PROGRAM) for path in (own, os.path.realpath(own))]
    for path in beside if given is None else [os.path.abspath(given)]:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    if given is None:
        raise BadUsage(f"there is no {PROGRAM} beside {own}; name it with --program")
    if os.path.basename(given) != PROGRAM:
        raise BadUsage(f"the program has to be called {PROGRAM}")
    raise BadUsage(f"{given} is not a program")


def _edit(options: Options, path: str, change: Callable[[list[str]], list[str]], done: str) -> int:
    changed = edit(path, change)
    if options.flag("--json"):
        say(json.dumps({"command": "authorized-keys", "success": True, "file": path, "changed": changed}))
    elif not options.flag("--quiet"):
        say(f"{done}: {path}" if changed else f"nothing to change: {path}")
    return 0


def _list(path: str, as_json: bool) -> int:
    """Prints the keys whose forced command runs git-annex-shell."""
    lines = read_lines(path)
    found = []
    for number, entry in entries(lines):
        grant = parse_command(entry.option("command") or "")
        if grant is not None:
            found.append((number, entry.key, grant))
    if as_json:
        keys = [{"line": number, **_described(key, grant)} for number, key, grant in found]
        say(json.dumps({"command": "authorized-keys", "success": True, "file": path, "keys": keys}))
        return 0
    for _, key, grant in found:
        extent = ", ".join([grant.mode, *(["limited"] if grant.limited else [])])
        where = " ".join(grant.directories) or "all repositories"
        if grant.create:
            where += f", and makes some below {grant.create}"
        say(f"{key.fingerprint} {key.comment} ({extent}): {where}")
    return 0


def _described(key: PublicKey, grant: KeyGrant) -> dict[str, object]:
    return {
        "fingerprint": key.fingerprint,
        "type": key.kind,
        "comment": key.comment,
        "mode": grant.mode,
        "limited": grant.limited,
        "directories": grant.directories,
        "create": grant.create,
        "program": grant.program,
    }
