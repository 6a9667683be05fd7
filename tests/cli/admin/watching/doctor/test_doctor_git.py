"""What the doctor says of git, and of a git-annex, in a repository."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from annexshell.cli.admin.watching.doctor.git import Working, check_committer, check_filter
from annexshell.repo.initialization.smudging import Dangling
from tests.support.admin import git, ours
from tests.support.real import Repo


def working(
    filtered: bool = False,
    hooks: list[str] | None = None,
    others: list[str] | None = None,
    lacks: bool = False,
    who: bool = True,
) -> Working:
    return Working(Dangling(filtered, hooks or [], others or []), lacks, who)


@pytest.mark.parametrize(
    ("facts", "findings"),
    [
        (working(), [("ok", "only if that is there")]),
        (working(filtered=True), [("error", "or have git do without it: annexshell init")]),
        (working(hooks=["pre-commit"]), [("error", "git calls git-annex, which is not there")]),
        (working(lacks=True), [("warning", "use: annexshell init")]),
        (working(others=["pre-commit"]), [("ok", ""), ("warning", "the pre-commit hook")]),
    ],
)
def test_the_filter(facts: Working, findings: list[tuple[str, str]]) -> None:
    found = list(check_filter(facts))
    assert [each.status for each in found] == [status for status, _ in findings]
    assert all(text in each.text for each, (_, text) in zip(found, findings))


def test_who_commits() -> None:
    (found,) = check_committer(working())
    assert found.status == "ok"
    (found,) = check_committer(working(who=False))
    assert found.status == "warning"
    assert "use: git config user.name NAME; git" in found.text


def test_what_it_says_to_do_helps(bare: Repo, tmp_path: Path) -> None:
    """In a bare repository that git has to be told of, whose host does not tell who commits."""
    with (tmp_path / "home/.gitconfig").open("a") as file:
        file.write("[user]\n\tname = ,\n[safe]\n\tbareRepository = explicit\n")
    said = ours(bare.path, "doctor", "--quiet").out
    (line,) = (line for line in said.splitlines() if " committer: " in line)
    first, second = line.rpartition("use: ")[2].split("; ")
    for command in (first.replace("NAME", "me"), second.replace("ADDRESS", "me@example.com")):
        git(tmp_path, *shlex.split(command)[1:])
    said = ours(bare.path, "doctor", "--quiet").out
    assert " committer: " not in said
    assert " ownership: " not in said
