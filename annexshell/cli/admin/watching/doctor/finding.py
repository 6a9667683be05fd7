"""The result of a check, in one line for people."""

from __future__ import annotations

import re
import shlex

OK, WARNING, ERROR = "ok", "warning", "error"
EXIT_CODES = {OK: 0, WARNING: 1, ERROR: 2}


class Finding:
    """The result of a check. The text says what was found and, unless all is well, what to do."""

    __slots__ = ("check", "status", "text")

    def __init__(self, check: str, status: str, text: str) -> None:
        self.check = check
        self.status = status
        self.text = text

    def __repr__(self) -> str:
        return f"{self.status} {self.check}: {self.text}"


# Commands in findings, as one types them in the repository. Those that are for another host have "there: " before them.
_GIT = re.compile(
    r"(?<!there: )\bgit (config(?! --global)|ls-remote|symbolic-ref|annex)(?= )|(?<=run: )git-(annex)(?= )"
)
_WORD = r"[^\s,;]+"
_VERB = re.compile(
    rf"(?<!there: )\bannexshell (?:init|update(?:cluster|proxy)|initcluster {_WORD}|removenode {_WORD} {_WORD})"
    r"(?=[ ,;]|$)"
)


def in_place(finding: Finding, directory: str, bare: bool) -> Finding:
    """The finding, with commands that work from any directory. A bare repository is named by --git-dir: with
    safe.bareRepository, git does not look for one itself."""
    if finding.status == OK:
        return finding
    place = shlex.quote(directory)
    option = f"--git-dir={place}" if bare else f"-C {place}"
    text = _GIT.sub(lambda found: f"git {option} {found[1] or found[2]}", finding.text)
    text = _VERB.sub(lambda found: f"{found[0]} --repo={place}", text)
    return Finding(finding.check, finding.status, text)
