"""What is counted and logged of connections and requests, if anything is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.reporting.accesslog import AccessLog
    from annexshell.serve.http.reporting.counting import Counting


class Witness:
    """Tells counters and the access log what happens, as far as there are such."""

    def __init__(self, counting: Counting | None = None, log: AccessLog | None = None) -> None:
        self._counting = counting
        self._log = log

    def opened(self) -> None:
        """A client has connected."""
        if self._counting is not None:
            self._counting.opened()

    def closed(self) -> None:
        """A client's connection has ended."""
        if self._counting is not None:
            self._counting.closed()

    def began(self, exchange: Exchange) -> None:
        """A request has come."""
        if self._counting is not None:
            self._counting.began(exchange)

    def ended(self, exchange: Exchange) -> None:
        """A request was answered, or its client is gone."""
        if self._counting is not None:
            self._counting.ended(exchange)
        if self._log is not None:
            self._log.note(exchange)

    def refused(self, status: int) -> None:
        """What a client sent was no request."""
        if self._counting is not None:
            self._counting.refused(status)

    def tick(self) -> None:
        """Call this every now and then."""
        if self._counting is not None:
            self._counting.tick()
