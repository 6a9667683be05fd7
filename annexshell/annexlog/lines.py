"""Lines of the logs in the git-annex branch. Pure.

Upstream: Annex/VectorClock.hs, Utility/TimeStamp.hs, Logs/Line.hs, Logs/Presence/Pure.hs, Git/UnionMerge.hs. Time
stamps are kept as text and compared as exact numbers, since floating point would not do; lines that don't parse are
dropped, as upstream does when it writes a log anew.
"""

from __future__ import annotations

from _io import BytesIO

PRESENT, MISSING, DEAD = b"1", b"0", b"X"
_PRECISION = 12  # digits behind the point; further ones are ignored
_MOST_DIGITS = 18  # digits of seconds; no calendar goes further
_NINES_COMPLEMENT = bytes.maketrans(b"0123456789", b"9876543210")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    # Whole seconds as the number of their digits and the digits, without leading zeros; and the digits behind the
    # point, without trailing zeros. Seconds before the epoch have a negative number, and each digit subtracted from 9.
    Clock = tuple[int, bytes, bytes]


def parse_clock(text: bytes) -> Clock | None:
    """A time stamp such as `1795164790.25s`, or None. Two of them compare as the numbers do, in picoseconds.

    The sign is only that of the whole seconds, so that -0.5 is half a second after the epoch, as upstream.
    """
    number = text[:-1] if text.endswith(b"s") else text
    whole, point, fraction = number.partition(b".")
    digits = whole[1:] if whole[:1] in (b"-", b"+") else whole
    if not digits.isdigit() or (point and not fraction.isdigit()):
        return None
    length, digits = _clock_of(digits)
    fraction = fraction[:_PRECISION].rstrip(b"0")
    if not length or whole[:1] != b"-":
        return length, digits, fraction
    if not fraction:
        return _below_zero(digits, b"")
    complement = 10 ** len(fraction) - int(fraction)  # -1.25 lies 0.75 above -2
    return _below_zero(_successor(digits), (b"%0*d" % (len(fraction), complement)).rstrip(b"0"))


def _clock_of(digits: bytes) -> tuple[int, bytes]:
    digits = digits.lstrip(b"0")
    return len(digits), digits


def _below_zero(digits: bytes, fraction: bytes) -> Clock:
    return -len(digits), digits.translate(_NINES_COMPLEMENT), fraction


def _successor(digits: bytes) -> bytes:
    """The digits of the next number. A time stamp may have any number of digits, for which int() would take quadratic
    time; and it refuses more than 4300."""
    kept = digits.rstrip(b"9")
    zeros = b"0" * (len(digits) - len(kept))
    return b"%b%d%b" % (kept[:-1], int(kept[-1:] or b"0") + 1, zeros)


def whole_seconds(clock: Clock) -> int | None:
    """Seconds since the epoch, rounded down; None if they are too many for any calendar."""
    length, digits, _ = clock
    if abs(length) > _MOST_DIGITS:
        return None
    return int(digits or b"0") if length >= 0 else -int(digits.translate(_NINES_COMPLEMENT))


def next_clock(now: int, existing: Iterable[Clock]) -> bytes:
    """The time stamp of a new fact: now, or just later than the latest stamp that it has to win against."""
    newest = max(existing, default=None)
    text = b"%d" % now
    if newest is None or newest[:2] < _clock_of(text):
        return text + b"s"
    return b"%b%b%bs" % (_successor(newest[1]), b"." if newest[2] else b"", newest[2])


def each_line(text: bytes) -> Iterable[bytes]:
    """The lines of a log, without newlines. It is an iterator, since somebody may have pushed millions."""
    lines = BytesIO(text.replace(b"\r", b"\n") if b"\r" in text else text)
    return (line.rstrip(b"\n") for line in lines)


def timed_lines(text: bytes) -> list[tuple[Clock, bytes]]:
    """(time, rest) of each line that begins with a time stamp."""
    lines = (line.partition(b" ") for line in each_line(text))
    parsed = ((parse_clock(stamp), rest) for stamp, blank, rest in lines if blank)
    return [(clock, rest) for clock, rest in parsed if clock is not None]


NEVER: Clock = (-(1 << 62), b"", b"")  # older than every time stamp


class PresenceLog:
    """A location log (or another log of that form): for each INFO, here the uuid of a repository, its newest line."""

    def __init__(self, text: bytes = b"") -> None:
        self._newest: dict[bytes, tuple[Clock, bytes, bytes]] = {}  # INFO: clock, status, line
        self.add(text)

    def add(self, text: bytes) -> None:
        """Merges more lines in. Among equal time stamps, the first line wins."""
        for line in each_line(text):
            stamp, _, rest = line.partition(b" ")
            status, blank, info = rest.partition(b" ")
            clock = parse_clock(stamp)
            if clock is None or not blank or status not in (PRESENT, MISSING, DEAD):
                continue
            known = self._newest.get(info)
            if known is None or known[0] < clock:
                self._newest[info] = (clock, status, line)

    def status(self, info: bytes) -> bytes | None:
        """The newest status of an INFO; None if there is none."""
        known = self._newest.get(info)
        return None if known is None else known[1]

    def set(self, info: bytes, status: bytes, now: int) -> bool:
        """Sets a status as of `now`, seconds since the epoch. Returns whether that changed anything: a status that is
        the same keeps its old line, so that its time stays true."""
        known = self._newest.get(info)
        if known is not None and known[1] == status:
            return False
        stamp = next_clock(now, () if known is None else (known[0],))
        self._newest[info] = (parse_clock(stamp) or NEVER, status, b"%b %b %b" % (stamp, status, info))
        return True

    def with_status(self, status: bytes) -> list[bytes]:
        """The INFOs that have this status now."""
        return [info for info, known in self._newest.items() if known[1] == status]

    def text(self) -> bytes:
        """The log written anew: one line for each INFO, sorted by INFO."""
        return b"".join(self._newest[info][2] + b"\n" for info in sorted(self._newest))


def union(*texts: bytes) -> bytes:
    """The union merge of versions of a file: their lines as a sorted set. If one version has all lines, it stays as it
    is."""
    sets = [set(text.split(b"\n")) - {b""} for text in texts]
    everything = set().union(*sets)
    for text, lines in zip(texts, sets):
        if lines == everything:
            return text
    return b"".join(line + b"\n" for line in sorted(everything))


def is_location_log(path: bytes) -> bool:
    """Whether a path of the branch is a location log's: `xxx/yyy/KEY.log`, or `xxx/KEY.log`."""
    directories, _, name = path.rpartition(b"/")
    parts = directories.split(b"/")
    return name.endswith(b".log") and b"--" in name and len(parts) in (1, 2) and all(len(p) == 3 for p in parts)


def merge(path: bytes, *texts: bytes) -> bytes:
    """Merges versions of a file of the branch. Among equal time stamps, the first version wins."""
    if not is_location_log(path):
        return union(*texts)
    log = PresenceLog()
    for text in texts:
        log.add(text)
    return log.text()
