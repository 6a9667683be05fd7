"""The command line of the server, parsed once, before there are workers: they only use it."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from annexshell.cli.admin.serving.p2phttp.access import AccessOptions
from annexshell.cli.admin.serving.p2phttp.listeners import ListeningOptions
from annexshell.cli.admin.serving.p2phttp.reports import ReportOptions
from annexshell.errors import BadUsage
from annexshell.serve.http.access.trusted import TrustedProxies
from annexshell.serve.http.entrance import Limits
from annexshell.serve.http.http1.sendfile import SendFile
from annexshell.serve.http.repositories.settings import RepositoryLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from annexshell.cli.admin.serving.p2phttp.values import Given

_GIT_JOBS = 2  # for each processor


class WebOptions:
    """What is served to whom on the web: `base` is the prefix of paths, `origins` are those whose pages may use the
    server, `git` says whether git may, `browse` whether browsers are shown files. Raises BadUsage."""

    def __init__(self, given: Given) -> None:
        path = given.text("--base-path").strip("/")
        self.git = given.flag("--git")
        self.browse = given.flag("--browse")
        self.base = os.fsencode(f"/{path}" if path else "")
        self.origins = _origins(given.texts("--cors-origin"))
        self.proxies = TrustedProxies(given.texts("--trust-proxy"))
        self.sendfile = _sendfile(given)


def _origins(texts: list[str]) -> frozenset[str]:
    """The origins in lower case; `*` stands for all."""
    found = set()
    for text in texts:
        parts = urlsplit(text.lower())
        if text != "*" and not (parts.scheme and parts.netloc and not parts.path.strip("/") and not parts.query):
            raise BadUsage(f"--cors-origin has to be an origin such as https://example.org, or *, not {text!r}")
        found.add(text.lower().rstrip("/"))
    return frozenset(found)


def _sendfile(given: Given) -> SendFile | None:
    if not given.text("--sendfile-header"):
        return None
    if not given.texts("--trust-proxy"):
        raise BadUsage("--sendfile-header needs --trust-proxy: only a trusted proxy may learn where files are")
    return SendFile(given.text("--sendfile-header"))


class WorkOptions:
    """How much is done at once in a worker: `disk` operations on disks and `nodes` of a cluster for one request, of
    which None is all, and `git` programs of git's. Partial uploads are deleted at an age of `expiry` seconds; 0 is
    never. Raises BadUsage."""

    def __init__(self, given: Given, workers: int) -> None:
        jobs = given.number_if_given("--jobs")
        self.disk = -(-jobs // workers) if jobs else None
        self.nodes = given.number_if_given("--clusterjobs")
        git_jobs = given.number_if_given("--git-jobs")
        git_jobs = _GIT_JOBS * len(os.sched_getaffinity(0)) if git_jobs is None else git_jobs
        self.git = max(1, -(-git_jobs // workers))
        self.expiry = given.age("--expire-partials")


class ServerOptions:
    """All of them. `directories` hold the repositories; without any, the one in the current directory is served. Raises
    BadUsage."""

    def __init__(self, given: Given, environment: Mapping[bytes, bytes]) -> None:
        self.directories = [os.path.abspath(os.fsencode(path)) for path in given.texts("--directory")]
        self.listening = ListeningOptions(given)
        self.web = WebOptions(given)
        self.access = AccessOptions(given, environment)
        self.limits = Limits(stall=float(max(1, given.number("--stall"))), rate=given.size("--min-rate") or 0)
        self.repositories = _repository_limits(given)
        self.work = WorkOptions(given, self.listening.workers)
        self.reports = ReportOptions(given)


def _repository_limits(given: Given) -> RepositoryLimits:
    locked_files = given.number("--lockedfiles")
    client_locks = given.number_if_given("--clientlocks")
    return RepositoryLimits(
        nodes=given.number("--proxyconnections"),
        locked_files=locked_files,
        client_locks=(locked_files + 1) // 2 if client_locks is None else client_locks,
        size=given.size("--max-size"),
        user_size=given.size("--max-size-user"),
    )
