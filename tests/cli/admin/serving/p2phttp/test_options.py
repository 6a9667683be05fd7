"""Command lines of the HTTP server as typed values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from docopt import docopt

from annexshell.cli.admin.options import Options
from annexshell.cli.admin.serving import p2phttp
from annexshell.cli.admin.serving.p2phttp.options import ServerOptions
from annexshell.cli.admin.serving.p2phttp.values import Given
from annexshell.errors import AccessDenied, BadUsage
from annexshell.green.tasks import Tasks
from annexshell.serve.http.access.rules import FULL, GIT, LOCK, READ

Tasks().offload(lambda: None)  # the hub and its threads have file descriptors of their own


def parse(*words: str, environment: Mapping[bytes, bytes] | None = None) -> ServerOptions:
    return ServerOptions(Given(Options(docopt(p2phttp.USAGE, ["p2phttp", *words]))), environment or {})


def test_nothing_given() -> None:
    options = parse()
    assert (options.directories, options.web.base, options.web.origins) == ([], b"", frozenset())
    assert (options.listening.port, options.listening.address, options.listening.path) == (9417, None, "")
    assert options.listening.workers == len(os.sched_getaffinity(0))
    assert options.listening.tls() is None
    assert options.web.sendfile is None
    assert (options.limits.stall, options.limits.rate) == (300.0, 100)
    assert (options.repositories.nodes, options.repositories.locked_files, options.repositories.client_locks) == (
        16,
        100,
        50,
    )
    assert (options.repositories.size, options.repositories.user_size) == (None, None)
    assert (options.work.disk, options.work.nodes, options.work.expiry) == (None, None, 14 * 86400)
    assert (options.reports.metrics, options.reports.status_page, options.reports.open_log()) == (None, False, None)


def test_much_given(tmp_path: Path) -> None:
    options = parse(
        f"--directory={tmp_path}", "--directory=relative", "--base-path=/a/b/", "--cors-origin=HTTPS://Example.org/",
        "--trust-proxy=10.0.0.0/8", "--sendfile-header=x-sendfile", "-J5", "--cpus=2", "--clusterjobs=3",
        "--proxyconnections=0", "--lockedfiles=7", "--max-size=1kB", "--max-size-user=5", "--stall=0", "--min-rate=1k",
        "--expire-partials=never", "--status-page", f"--access-log={tmp_path}/log", "--socket=x", "--socket-mode=660",
    )  # fmt: skip
    assert options.directories == [os.fsencode(tmp_path), os.path.abspath(b"relative")]
    assert (options.web.base, options.web.origins) == (b"/a/b", frozenset({"https://example.org"}))
    assert options.web.proxies.trusts("10.1.2.3")
    assert options.web.sendfile is not None
    assert (options.work.disk, options.work.nodes, options.work.expiry) == (3, 3, 0)  # five among two workers
    limits = options.repositories
    assert (limits.nodes, limits.locked_files, limits.client_locks) == (0, 7, 4)
    assert (limits.size, limits.user_size) == (1000, 5)
    assert (options.limits.stall, options.limits.rate) == (1.0, 1000)
    assert (options.listening.path, options.listening.mode) == ("x", 0o660)
    assert options.reports.status_page
    log = options.reports.open_log()
    assert log is not None
    log.close()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--cors-origin=example.org", "--cors-origin has to be an origin such as https://example.org, or *, not "),
        ("--sendfile-header=X-Sendfile", "--sendfile-header needs --trust-proxy"),
        ("--trust-proxy=somebody", "--trust-proxy takes an address, a network, or unix: "),
        ("--certfile=x", "https needs both --certfile and --privatekeyfile"),
        ("--certfile=/none --privatekeyfile=/none", "the certificate or its key can't be used: "),
        ("--access-log-format=xml", "--access-log-format has to be combined or json, not 'xml'"),
        ("--access=/none", "/none can't be read: No such file or directory"),
        ("--access=/none --wideopen", "--access says what everybody may do: --wideopen can't be given too"),
        ("--htpasswd=/none", "--htpasswd lets users log in over https: "),
        ("--jobs=x", "--jobs has to be a number, not 'x'"),
        ("--clientlocks=-1", "--clientlocks has to be a number, not '-1'"),
        ("--min-rate=fast", "--min-rate has to be a size such as 100GB, not 'fast'"),
    ],
)
def test_what_makes_no_sense_is_told_before_there_are_workers(words: str, text: str) -> None:
    with pytest.raises(BadUsage) as raised:
        parse(*words.split())
    assert str(raised.value).startswith(text)


@pytest.mark.parametrize(
    ("words", "rights"),
    [
        ("", frozenset()),
        ("--unauth-readonly", {READ, LOCK, GIT}),
        ("--unauth-readonly --unauth-nolocking", {READ, GIT}),
        ("--wideopen --unauth-nolocking --unauth-readonly", FULL),
    ],
)
def test_rights_of_everybody(words: str, rights: frozenset[str]) -> None:
    options = parse(*words.split())
    visitor = options.access.open(Tasks(), [b"/srv"]).visitor(b"", False, "")
    for right in FULL:
        if right in rights:
            visitor.check_anywhere(right)
        else:
            with pytest.raises(AccessDenied):
                visitor.check_anywhere(right)
    assert options.access.is_wideopen == (rights == FULL)
