"""What earlier sessions may have left behind. The checks are pure; `look` gathers what they need."""

from __future__ import annotations

import os
import time

from annexshell.cli.admin.amounts import in_bytes, in_time
from annexshell.cli.admin.watching.doctor.finding import OK, WARNING, Finding
from annexshell.disk.files import read_file
from annexshell.disk.pidfile import is_running, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from annexshell.git.paths import GitPaths

    _GitLock = tuple[str, float, float]

_LOCK_AGE = 600.0  # seconds; git may hold the lock of an index for minutes
_BRIEF_LOCK_AGE = 60.0  # seconds; git holds those of refs and of the configuration only for moments
_JOURNAL_AGE = 3600.0
_PARTIAL_AGE = 7 * 86400.0
_NAMED = 3  # locks that a finding names
# git's locks: each is held for as long as the file exists. git-annex locks files that stay.
_GIT_LOCKS = ("index.lock", "shallow.lock", "annex/index.lock")
_BRIEF_LOCKS = ("config.lock", "HEAD.lock", "packed-refs.lock", "reftable/tables.list.lock")  # and refs/**/*.lock


class Pile:
    """Some files: how many, their bytes together, and the age of the oldest in seconds."""

    __slots__ = ("age", "count", "size")

    def __init__(self, infos: list[os.stat_result], now: float) -> None:
        self.count = len(infos)
        self.size = sum(info.st_size for info in infos)
        self.age = max((now - info.st_mtime for info in infos), default=0.0)


class Leftovers:
    """Facts. `locks` are git's locks: path, age, and the age from which it counts as stale. `holder` describes a
    process that took the pid lock and has ended."""

    __slots__ = ("bad", "directory", "holder", "journal", "locks", "partial")

    def __init__(
        self, directory: str, journal: Pile, partial: Pile, bad: Pile, locks: list[_GitLock], holder: str
    ) -> None:
        self.directory = directory
        self.journal = journal
        self.partial = partial
        self.bad = bad
        self.locks = locks
        self.holder = holder


def look(paths: GitPaths) -> Leftovers:
    """Counts what is there now. Raises OSError."""
    annex, now = os.fsdecode(paths.annex_dir), time.time()
    return Leftovers(
        annex,
        Pile(_files(f"{annex}/journal"), now),
        Pile([info for info in _files(os.path.join(annex, "tmp")) if now - info.st_mtime > _PARTIAL_AGE], now),
        Pile(_files(f"{annex}/bad"), now),
        _git_locks({os.fsdecode(paths.git_dir), os.fsdecode(paths.common_dir)}, now),
        _gone_holder(f"{annex}/pidlock"),
    )


def _files(directory: str) -> list[os.stat_result]:
    found = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    found.append(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue
    except FileNotFoundError:
        pass
    return found


def _git_locks(directories: set[str], now: float) -> list[_GitLock]:
    found = []
    for directory in sorted(directories):
        limits = dict.fromkeys(_GIT_LOCKS, _LOCK_AGE) | dict.fromkeys(_BRIEF_LOCKS, _BRIEF_LOCK_AGE)
        paths = {f"{directory}/{name}": limit for name, limit in limits.items()}
        for top, _, names in os.walk(f"{directory}/refs"):
            paths |= {f"{top}/{name}": _BRIEF_LOCK_AGE for name in sorted(names) if name.endswith(".lock")}
        for path, limit in paths.items():
            try:
                found.append((path, now - os.lstat(path).st_mtime, limit))
            except OSError:
                continue
    return found


def _gone_holder(path: str) -> str:
    """The process that holds the pid lock according to its text, if that was on this host and has ended; else empty."""
    text = read_file(os.fsencode(path))
    holder = parse(text or b"")
    if holder is None or holder[1] != os.fsencode(os.uname().nodename):
        return ""
    return "" if is_running(holder[0], os.stat(path).st_mtime) else str(holder[0])


def check_journal(left: Leftovers, commits: bool) -> Iterator[Finding]:
    """Whether the journal gets committed to the git-annex branch. `commits` is annex.alwayscommit."""
    journal = left.journal
    if journal.count and commits and journal.age > _JOURNAL_AGE:
        text = f"{journal.count} changes have not been committed for {in_time(journal.age)}, and nobody sees them"
        yield Finding("journal", WARNING, f"{text}; use: annexshell updateproxy, which commits them or says what fails")
    elif journal.count:
        yield Finding("journal", OK, f"{journal.count} changes to be committed")
    else:
        yield Finding("journal", OK, "everything is committed")


def check_locks(left: Leftovers) -> Iterator[Finding]:
    """Locks whose processes have ended without removing them."""
    stale = [(path, age) for path, age, limit in left.locks if age > limit]
    for path, age in stale:
        text = f"{path} has been there for {in_time(age)}; if no git is running there, use: rm {path}"
        yield Finding("stale-locks", WARNING, text)
    if left.holder:
        text = f"the process {left.holder} that held {left.directory}/pidlock is gone; the next session takes it over"
        yield Finding("stale-locks", OK, text)
    elif not stale:
        fresh = [f"{path} has been there for {in_time(age)}, as while git works" for path, age, _ in left.locks]
        yield Finding("stale-locks", OK, "; ".join(fresh[:_NAMED]) or "none")


def check_partial(left: Leftovers) -> Iterator[Finding]:
    """Partial uploads that nobody has continued, and objects with the wrong content."""
    if left.partial.count:
        text = f"{left.partial.count} files of {in_bytes(left.partial.size)}, up to {in_time(left.partial.age)} old;"
        text += f" if nobody goes on with these transfers, delete them in {os.path.join(left.directory, 'tmp')}"
        yield Finding("partial-files", WARNING, text)
    if left.bad.count:
        text = f"{left.bad.count} damaged contents of {in_bytes(left.bad.size)} in {left.directory}/bad;"
        yield Finding("partial-files", WARNING, f"{text} if nobody needs what is left of them, delete them there")
    if not left.partial.count and not left.bad.count:
        yield Finding("partial-files", OK, "no old ones")
