"""annexshell doctor: what goes wrong in practice, and what to do about it.

Each module is about one part of the world: `look` gathers facts, and pure functions named check_* judge them.
"""

from __future__ import annotations

import json
import os
import time
from functools import cache

from annexshell.cli.admin.access.forced import PROGRAM
from annexshell.cli.admin.owner import is_mine
from annexshell.cli.admin.progress import LINE
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import find
from annexshell.cli.admin.watching.doctor.finding import ERROR, EXIT_CODES, OK, Finding, in_place
from annexshell.errors import AnnexshellError, BadUsage, NotARepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from annexshell.cli.admin.options import Options
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.git.program import Git

USAGE = """Looks for problems that occur in practice, in this account and in a repository, and says what to do.

Usage:
  annexshell doctor [options] [--] [<directory>]

Without DIRECTORY, the repository is the one in the current directory, if there is one.

Options:
  --limit=SECONDS     How long to wait for each node [default: 10].
  --json              Print one line of JSON.
  -q --quiet          Print only warnings and errors.
  -h --help           Show this.

Run it as the account that serves the repository; root is told how to do so, and little more. Nothing is changed. The
exit code is 0 if all is well, 1 if there are warnings, and 2 if there are errors.
"""

_LONGEST = 600  # seconds that --limit may be


def run(options: Options) -> int:
    """Prints a line for each finding. Returns 0, 1 for warnings or 2 for errors."""
    limit = _seconds(options.text("--limit"))
    findings = []
    for finding in examine(options.given("<directory>"), limit):
        findings.append(finding)
        if not options.flag("--json") and not (options.flag("--quiet") and finding.status == OK):
            say(f"{finding.status:7} {finding.check}: {finding.text}".replace("\n", " "))
    worst = max((finding.status for finding in findings), key=lambda status: EXIT_CODES[status], default=OK)
    if options.flag("--json"):
        checks = [{"check": each.check, "status": each.status, "text": each.text} for each in findings]
        say(json.dumps({"command": "doctor", "success": worst != ERROR, "status": worst, "checks": checks}))
    return EXIT_CODES[worst]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise BadUsage(f"--limit has to be a number of seconds up to {_LONGEST}, not {text!r}")
    return seconds


def examine(directory: str | None, limit: float) -> Iterator[Finding]:
    """All findings, including checks that could not be made. Commands in them name the account and the directory that
    they are for."""
    yield from _guarded("account", _account)
    yield from _guarded("servers", _servers)
    try:
        paths, git, config = find(directory)
    except (AnnexshellError, OSError) as error:
        if directory is not None or not isinstance(error, NotARepository):
            yield Finding("repository", ERROR, f"{error}; name its directory")
        return
    try:
        yield Finding("repository", OK, os.fsdecode(paths.work_tree or paths.git_dir))
        directory = os.fsdecode(paths.work_tree or paths.git_dir)
        bare = paths.work_tree is None
        yield from (in_place(finding, directory, bare) for finding in _repository(paths, git, config, limit))
    finally:
        git.close()


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except (AnnexshellError, OSError) as error:
        yield Finding(name, ERROR, f"this can't be checked: {error}")


def _account() -> Iterator[Finding]:
    from annexshell.cli.admin.access.keyfile import read_lines, ssh_home
    from annexshell.cli.admin.watching.doctor import account, keys

    home, lines = ssh_home(), []
    try:
        lines = read_lines(f"{home}/.ssh/authorized_keys") if home else []
    except OSError as error:
        text = f"{error.filename} can't be read: {error.strerror}; it has to be a file of this account's"
        yield Finding("authorized-keys", ERROR, text)
    facts = account.look(home)
    yield from account.check_shell(facts, any(PROGRAM in line for line in lines))
    yield from account.check_path(facts)
    yield from account.check_git(facts.git_version(), keys.rest_on_environment(lines))
    yield from account.check_permissions(facts)
    yield from keys.check_keys(lines, cache(facts.trouble), os.path.isdir)


def _servers() -> Iterator[Finding]:
    from annexshell.cli.admin.watching.doctor import servers

    yield from servers.check_open(servers.look())


def _repository(paths: GitPaths, git: Git, config: Config, limit: float) -> Iterator[Finding]:
    from annexshell.cli.admin.watching.doctor import repository

    served = repository.look(paths, git)
    mine = is_mine(paths)
    yield from repository.check_ownership(served)
    if mine or served.uid:  # root may do everything, so it can't tell what the owner may do
        yield from repository.check_permissions(served)
    yield from repository.check_version(config)
    yield from repository.check_branch(served)
    yield from repository.check_space(served, config)
    if mine and not served.room.unwritable:  # only in our own repository, and where we can write, do we try things out
        yield from _guarded("filesystem", lambda: _file_system(paths, git, config))
    yield from _guarded("leftovers", lambda: _leftovers(paths, config))
    if config.get("annex.uuid") and (mine or served.uid):
        yield from _guarded("working", lambda: _git(paths, git, config))
        yield from _guarded("gateway", lambda: _gateway(paths, git, config, limit))


def _git(paths: GitPaths, git: Git, config: Config) -> Iterator[Finding]:
    from annexshell.cli.admin.watching.doctor import git as working

    facts = working.look(paths, git, config)
    yield from working.check_filter(facts)
    yield from working.check_committer(facts)


def _file_system(paths: GitPaths, git: Git, config: Config) -> Iterator[Finding]:
    from annexshell.cli.admin.watching.doctor import clock, filesystem

    features = filesystem.look(os.fsdecode(paths.common_dir))
    yield from filesystem.check_locks(features, config)
    yield from filesystem.check_features(features, config)
    newest = git.output("for-each-ref", "--format=%(committerdate:unix)", "refs/heads/git-annex").strip()
    yield from clock.check_clock(time.time(), float(newest) if newest else None, features.lag)


def _leftovers(paths: GitPaths, config: Config) -> Iterator[Finding]:
    from annexshell.cli.admin.watching.doctor import leftovers

    left = leftovers.look(paths)
    yield from leftovers.check_journal(left, config.flag("annex.alwayscommit", True))
    yield from leftovers.check_locks(left)
    yield from leftovers.check_partial(left)


def _gateway(paths: GitPaths, git: Git, config: Config, limit: float) -> Iterator[Finding]:
    from annexshell.cli.admin.watching.doctor import gateway
    from annexshell.repo.local.parts import Parts, Use

    parts = Parts(paths, config, git, Use(warn, LINE.show, looks_only=not is_mine(paths)))
    nodes = gateway.look(parts, limit)
    yield from gateway.check_modules(nodes)
    yield from gateway.check_recorded(nodes)
    yield from gateway.check_nodes(nodes)
