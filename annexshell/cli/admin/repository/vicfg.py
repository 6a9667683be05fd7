"""annexshell vicfg: everything about repositories and clusters, in an editor."""

from __future__ import annotations

import os
from tempfile import mkstemp

from annexshell.admin.vicfg import ConfigurationText
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import OPTIONS, opened
from annexshell.disk.perms import make_directories
from annexshell.disk.spawn import spawn, wait
from annexshell.errors import ChildFailed, Refused
from annexshell.model.ownfiles import OwnFiles
from annexshell.policy.configtext import Mistakes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options
    from annexshell.policy.configtext import Values
    from annexshell.repo.local.parts import Parts

USAGE = f"""Opens the configuration in an editor: descriptions, trust, groups, preferred content, maximum sizes, numbers
of copies, and the clusters of this gateway with their nodes.

Usage:
  annexshell vicfg [options]

{OPTIONS}

The editor is the one that git uses. Only what you change is recorded, and only when all of it is valid: otherwise the
mistakes are listed and the editor opens again. To give up, leave the text as it is, or let the editor fail (:cq in vi).
"""


def run(options: Options) -> int:
    """Records what the user changes in the editor. Nothing is locked meanwhile, and only changed lines are recorded, so
    others can change other things."""
    quiet = options.flag("--quiet")
    with opened(options) as parts:
        configuration = ConfigurationText(parts, (lambda _text: None) if quiet else say, warn)
        changed = _edited(parts, configuration)
        configuration.record(changed)
    return 0


def _edited(parts: Parts, configuration: ConfigurationText) -> Values:
    """Opens the editor until the text is valid; returns the changes. Raises Refused, ChildFailed."""
    directory = OwnFiles(parts.paths.annex_dir).directory
    make_directories(directory, parts.paths.annex_dir, parts.annex.perms)
    fd, path = mkstemp(b".conf", b"vicfg-", directory)
    os.close(fd)
    text = configuration.text
    try:
        while True:
            _write(path, text)
            _edit(parts, path)
            with open(path, "rb") as file:
                edited = os.fsdecode(file.read())
            try:
                return configuration.changes(edited)
            except Mistakes as mistakes:
                if mistakes.text == text:  # the editor is a program, or its user gives up
                    raise Refused(f"nothing has been changed; there are mistakes:\n{mistakes}") from None
                for line in mistakes.summary:
                    warn(line)
                text = mistakes.text
    finally:
        os.unlink(path)


def _write(path: bytes, text: str) -> None:
    with open(path, "wb") as file:
        file.write(os.fsencode(text))


def _edit(parts: Parts, path: bytes) -> None:
    """Runs git's editor on a file. As with git, the configured command goes to a shell, and the file's name is passed
    beside it, so that nothing in the name means anything. Raises Refused, ChildFailed."""
    try:
        editor = parts.git.output("var", "GIT_EDITOR").removesuffix(b"\n")
    except ChildFailed:
        raise Refused("git knows no editor; set core.editor, VISUAL or EDITOR") from None
    code = wait(spawn([b"sh", b"-c", editor + b' "$@"', editor, path], parts.git.env, 0, 1))
    if code != 0:
        raise Refused(f"{os.fsdecode(editor)} exited with {code}; nothing has been changed")
