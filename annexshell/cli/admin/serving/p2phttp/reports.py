"""The options about what the server reports: the metrics, the access log and the status page."""

from __future__ import annotations

import socket

from annexshell.cli.admin.serving.p2phttp.messages import warn
from annexshell.errors import BadUsage
from annexshell.serve.http.reporting.accesslog import COMBINED, JSON, AccessLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.serving.p2phttp.values import Given


class ReportOptions:
    """What is wanted of the access log, metrics and the status page. Raises BadUsage."""

    def __init__(self, given: Given) -> None:
        self._log = given.text("--access-log")
        self._form = given.text("--access-log-format")
        if self._form not in (COMBINED, JSON):
            raise BadUsage(f"--access-log-format has to be {COMBINED} or {JSON}, not {self._form!r}")
        self.status_page = given.flag("--status-page")
        self.metrics = given.place("--metrics")
        if self.metrics is not None:
            _require_prometheus()

    def open_log(self) -> AccessLog | None:
        """The access log, if there is to be one. Each worker opens its own, so that a new one follows a log that was
        renamed. Raises BadUsage."""
        if not self._log:
            return None
        try:
            return AccessLog(self._log, self._form, warn)
        except OSError as error:
            raise BadUsage(f"the access log can't be written: {error}") from None

    def listen_for_metrics(self) -> socket.socket | None:
        """The socket that answers requests for metrics; all workers share it. Raises BadUsage."""
        if self.metrics is None:
            return None
        address, port = self.metrics
        try:
            found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
            return socket.create_server(found[4][:2], family=found[0])
        except (OSError, OverflowError) as error:
            raise BadUsage(f"can't listen for metrics at {address}:{port}: {error}") from None


def _require_prometheus() -> None:
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise BadUsage('--metrics needs the Python package prometheus_client: pip install "annexshell[http]"') from None
