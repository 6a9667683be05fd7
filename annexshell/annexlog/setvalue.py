"""Sets a value in a log that holds one for each field."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.facts import Facts
    from annexshell.annexlog.journal import Journal
    from annexshell.annexlog.logs import MapLog, UuidLog


def note(
    journal: Journal, facts: Facts, kind: type[MapLog] | type[UuidLog], path: bytes, field: bytes, value: bytes
) -> None:
    """Sets a value in a log of our own branch, newer than what was pushed, unless our branch and all that was pushed
    have it already. Raises OSError, DiskError, LockTimeout."""

    def noted(text: bytes) -> bytes:
        log = kind(text)
        is_there = log.get(field) == value
        for pushed in facts.pushed(path):
            log.add(pushed)
        if log.get(field) != value:
            log.set(field, value, journal.now())
        elif is_there:
            return text
        return log.text()

    journal.change(path, field, noted)
