"""What a check finds, in one line for a person."""

from __future__ import annotations

OK, WARNING, ERROR = "ok", "warning", "error"
EXIT_CODES = {OK: 0, WARNING: 1, ERROR: 2}


class Finding:
    """The result of a check. The text says what is so and, unless that is well, what to do."""

    __slots__ = ("check", "status", "text")

    def __init__(self, check: str, status: str, text: str) -> None:
        self.check = check
        self.status = status
        self.text = text

    def __repr__(self) -> str:
        return f"{self.status} {self.check}: {self.text}"
