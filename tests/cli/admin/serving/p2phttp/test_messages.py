"""What the HTTP server says of its options."""

from __future__ import annotations

import pytest

from annexshell.cli.admin.serving.p2phttp.messages import errors, warn_of_wideopen
from annexshell.serve.http.listening import listen_tcp


@pytest.mark.parametrize(("address", "warns"), [("0.0.0.0", True), (None, True), ("127.0.0.1", False), ("::1", False)])
def test_everybody_may_do_everything(address: str | None, warns: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """Which is told of if that is more than this machine."""
    errors.cache_clear()  # standard error is another one in each test
    (listener,) = listen_tcp(address, 0, 1)
    with listener:
        warn_of_wideopen([listener])
    assert ("--wideopen lets all who reach this port store and remove" in capfd.readouterr().err) == warns
