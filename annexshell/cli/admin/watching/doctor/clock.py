"""Whether the clock can be right. The lines of git-annex's logs are ordered by it. Pure."""

from __future__ import annotations

from annexshell.cli.admin.amounts import in_time
from annexshell.cli.admin.watching.doctor.finding import ERROR, OK, WARNING, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BUILT = 1_735_689_600  # 2025, before this program was written
_FUTURE = 300.0  # seconds by which the clocks of others may be ahead of ours
_LAG = 10.0
_NTP = "use: timedatectl set-ntp true, as root"


def check_clock(now: float, newest_commit: float | None, lag: float) -> Iterator[Finding]:
    """`now` and `newest_commit`, of the git-annex branch, are in seconds since the epoch; `lag` is by how many seconds
    the clock of the file system is behind ours."""
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
