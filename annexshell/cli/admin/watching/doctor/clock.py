"""Whether the clock can be right: facts in the git-annex branch are ordered by it. Pure."""

from __future__ import annotations

from annexshell.cli.admin.amounts import in_time
from annexshell.cli.admin.watching.doctor.finding import ERROR, OK, WARNING, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BUILT = 1_735_689_600  # 2025: before this annexshell was written
_FUTURE = 300.0  # seconds that the clocks of those who commit may be ahead
_LAG = 10.0
_NTP = "use: timedatectl set-ntp true, as root"


def check_clock(now: float, newest_commit: float | None, lag: float) -> Iterator[Finding]:
    """`now` and the time of the git-annex branch's newest commit are in seconds since the epoch; `lag` is by how many
    seconds the clock of the file system is behind."""
    if now < _BUILT:
        yield Finding("clock", ERROR, f"it is wrong: it is not that long ago; {_NTP}")
    elif newest_commit is not None and newest_commit > now + _FUTURE:
        text = f"the git-annex branch was last changed {in_time(newest_commit - now)} from now; one clock is wrong"
        yield Finding("clock", WARNING, f"{text}; {_NTP}, on whichever host it is")
    elif abs(lag) > _LAG:
        text = f"the clock of the file server is {in_time(abs(lag))} {'behind' if lag > 0 else 'ahead'}; {_NTP}, there"
        yield Finding("clock", WARNING, text)
    else:
        yield Finding("clock", OK, "it agrees with the repository")
