"""What to do about nodes that can't be used."""

from __future__ import annotations

import pytest

from annexshell.errors import Cause
from annexshell.repo.nodes.remedies import cause_said, remedy


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("git@h: Permission denied (publickey).", "access there: annexshell authorized-keys"),
        ("bash: line 1: /usr/bin/git-annex-shell: Permission denied", "run it: chmod 755 on that host"),
        ("bash: line 1: git-annex-shell: command not found", "set remote.h.annex-shell to its path"),
        ("git-annex-shell: /srv/h is not a git-annex repository", "run there: annexshell init"),
        ("Host key verification failed.", "compare the key: git ls-remote h"),
        ("ssh: Could not resolve hostname h: Name or service not known", "correct its url, or the host's name"),
        ("ssh: connect to host h port 22: Connection refused", "start the server there, or correct its url"),
        ("ssh: connect to host h port 22: Connection timed out", "see whether the host is up, and correct its url"),
        ("expected repository UUID a but found UUID b", "annex-uuid; annexshell updatecluster"),
        ("something new", "try it by hand: git ls-remote h"),
    ],
)
def test_what_programs_say(said: str, advice: str) -> None:
    assert remedy("h", cause_said(said)).endswith(advice)


def test_every_cause_but_the_unknown_one_has_its_own_advice() -> None:
    causes = {value for name, value in vars(Cause).items() if name.isupper()} - {Cause.UNKNOWN}
    advice = {remedy("h", cause) for cause in causes}
    assert len(advice) == len(causes)
    assert remedy("h", Cause.UNKNOWN) not in advice
