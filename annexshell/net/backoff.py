"""Back-off: an attempt that took long to fail is not repeated at once."""

from __future__ import annotations

import time

from annexshell.errors import AnnexshellError


class Backoff:
    """Use `with attempts:` around an attempt to connect. If one took long to fail, further attempts raise the same
    error at once, for twice that time, so that a dead host does not make every request wait for its time-out."""

    def __init__(self) -> None:
        self._begin = 0.0  # monotonic seconds
        self._hopeless_until = 0.0
        self._failure: AnnexshellError | None = None

    def __enter__(self) -> None:
        self._begin = time.monotonic()
        if self._failure is not None and self._begin < self._hopeless_until:
            raise self._failure.with_traceback(None)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._failure = None
        if isinstance(error, AnnexshellError):
            now = time.monotonic()
            self._failure, self._hopeless_until = error, now + 2 * (now - self._begin)
