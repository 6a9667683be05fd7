"""What the server counts: sums over its workers, whatever becomes of them, under names that no client chooses."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT
from tests.serve.http.test_http_server import ABSENT, children, eventually, key_of, two_workers
from tests.support.admin import ours
from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo

Labels = dict[str, str]


class Scraped:
    """The metrics of a server at one moment."""

    def __init__(self, port: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def sum(self, metric: str, **labels: str) -> float:
        wanted = labels.items()
        return sum(s.value for s in self._samples if s.name == metric and wanted <= s.labels.items())

    def labels(self, metric: str, label: str) -> set[str]:
        return {s.labels[label] for s in self._samples if s.name == metric}


class Watched:
    """A server that counts."""

    def __init__(self, server: Server) -> None:
        assert server.process.stdout is not None
        line = server.process.stdout.readline()
        assert line.startswith("metrics on port")
        self.server = server
        self.port = int(line.split()[3])

    def scrape(self) -> Scraped:
        return Scraped(self.port)


@pytest.fixture
def watch(start: Callable[..., Server]) -> Callable[..., Watched]:
    return lambda place, *options, **more: Watched(start(place, *options, "--metrics=0", **more))


def test_requests_are_counted_by_what_they_were(
    repo: Repo, watch: Callable[..., Watched], talk: Callable[..., Api]
) -> None:
    content = b"x" * 300_000
    key = repo.add("a", content)
    watched = watch(repo.path, "--wideopen", "--cpus=2")
    for _ in range(8):  # that more than one worker gets some
        api = talk(watched.server, repo.uuid)
        assert api.present(key)
        assert api.get(key).body == content
    assert api.get(ABSENT).status == 404
    assert api.put(key_of(content[1:]), content[1:]).json["stored"] is True
    assert api.lock(key)
    eventually(lambda: watched.scrape().sum("http_requests_total") == 19)
    scraped = watched.scrape()
    assert scraped.sum("http_requests_total", endpoint="checkpresent", method="POST", code="200") == 8
    assert scraped.sum("http_requests_total", endpoint="key", method="GET", code="200") == 8
    assert scraped.sum("http_requests_total", endpoint="key", code="404") == 1
    assert scraped.sum("http_request_duration_seconds_count", endpoint="key") == 9
    assert scraped.sum("http_request_duration_seconds_bucket", endpoint="key", le="+Inf") == 9
    assert 0 < scraped.sum("http_request_duration_seconds_sum", endpoint="key") < 60
    assert scraped.sum("annexshell_requests_total", repository=repo.uuid, endpoint="put") == 1
    assert scraped.sum("annexshell_received_bytes_total", repository=repo.uuid) == len(content) - 1
    assert scraped.sum("http_sent_bytes_total") > 8 * len(content)
    assert scraped.sum("annexshell_locks_held", repository=repo.uuid) == 1
    assert scraped.sum("http_connections") == 8
    assert scraped.sum("http_connections_accepted_total") == 8
    assert scraped.sum("http_requests_in_flight") == 0
    assert scraped.sum("annexshell_workers") == 2
    assert scraped.sum("process_resident_memory_bytes") > 20e6
    assert scraped.sum("process_open_fds") > 10


def test_what_was_counted_outlives_workers(repo: Repo, watch: Callable[..., Watched], talk: Callable[..., Api]) -> None:
    watched = watch(repo.path, "--wideopen", "--cpus=2")
    server = watched.server
    before = two_workers(server)
    with server.raw() as idle:
        for _ in range(10):
            api = talk(server, repo.uuid)
            assert not api.present(ABSENT)
            api.close()
        eventually(lambda: watched.scrape().sum("http_requests_total") == 10)  # just after each was answered
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: len(set(children(server.process.pid)) - {before[0]}) == 2)
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: not set(before) & set(children(server.process.pid)))
        eventually(lambda: len(children(server.process.pid)) == 2)
        idle.rest()
    assert not talk(server, repo.uuid).present(ABSENT)
    eventually(lambda: watched.scrape().sum("http_requests_total") == 11)
    scraped = watched.scrape()
    assert scraped.sum("annexshell_requests_total") == 11
    assert scraped.sum("http_connections") == 1
    assert scraped.sum("annexshell_workers") == 2


def test_clients_make_no_names(repo: Repo, watch: Callable[..., Watched], talk: Callable[..., Api]) -> None:
    watched = watch(repo.path, "--wideopen", "--cpus=1")
    api = talk(watched.server, repo.uuid)
    assert not api.present(ABSENT)
    for number in range(5):
        foreign = talk(watched.server, f"00000000-0000-4000-8000-00000000000{number}")
        assert foreign.post("checkpresent", ABSENT).status == 404
        assert api.ask("GET", f"/git-annex/{repo.uuid}/v4/made-up-{number}").status == 404
        assert api.ask("POST", f"/{number}", b"").status == 404
        with watched.server.raw() as client:
            client.send(b"MADE-UP / HTTP/1.1\r\n\r\n")
            assert client.answer().status == 400
    eventually(lambda: watched.scrape().sum("http_requests_total") == 21)
    scraped = watched.scrape()
    assert scraped.labels("annexshell_requests_total", "repository") == {repo.uuid}
    assert scraped.labels("http_requests_total", "endpoint") == {"checkpresent", "other"}
    assert scraped.labels("http_requests_total", "method") == {"GET", "POST", "other"}
    assert scraped.sum("http_requests_total", method="other", code="400") == 5


def test_what_is_going_on_is_counted(repo: Repo, watch: Callable[..., Watched], talk: Callable[..., Api]) -> None:
    content = os.urandom(60_000_000)
    key = repo.add("a", content)
    watched = watch(repo.path, "--wideopen", "--cpus=1")
    api = talk(watched.server, repo.uuid)
    with watched.server.raw() as getting, watched.server.raw() as putting:
        getting.send(f"GET /git-annex/{repo.uuid}/key/{key} HTTP/1.1\r\n\r\n".encode())
        path = api.path("put", key=key_of(b"x" * 1000), clientuuid=CLIENT)
        head = f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: 1000\r\nContent-Length: 1000\r\n\r\n"
        putting.send(head.encode() + b"x" * 500)
        eventually(lambda: watched.scrape().sum("annexshell_downloads_in_progress", repository=repo.uuid) == 1)
        eventually(lambda: watched.scrape().sum("annexshell_uploads_in_progress", repository=repo.uuid) == 1)
        eventually(lambda: watched.scrape().sum("annexshell_received_bytes_total") == 500)
        scraped = watched.scrape()
        assert scraped.sum("http_requests_in_flight") == 2
        assert 0 < scraped.sum("annexshell_sent_bytes_total") < len(content)
    eventually(lambda: watched.scrape().sum("http_requests_in_flight") == 0)
    eventually(lambda: watched.scrape().sum("annexshell_uploads_in_progress") == 0)
    scraped = watched.scrape()
    assert scraped.sum("http_requests_total", endpoint="put", code="499") == 1
    assert scraped.sum("annexshell_downloads_in_progress") == 0


def test_wrong_passwords_are_counted(repo: Repo, watch: Callable[..., Watched], talk: Callable[..., Api]) -> None:
    env = {"GIT_ANNEX_P2PHTTP_PASSWORD_me": "secret"}
    watched = watch(repo.path, "--authenv-http", "--cpus=1", env=env)
    assert talk(watched.server, repo.uuid).post("checkpresent", ABSENT).status == 401
    wrong = talk(watched.server, repo.uuid, {"Authorization": "Basic bWU6d3Jvbmc="})
    assert wrong.post("checkpresent", ABSENT).status == 401
    eventually(lambda: watched.scrape().sum("http_requests_total") == 2)
    scraped = watched.scrape()
    assert scraped.sum("annexshell_logins_failed_total") == 1
    assert scraped.sum("http_requests_total", code="401") == 2


def test_metrics_are_nowhere_else(repo: Repo, watch: Callable[..., Watched], talk: Callable[..., Api]) -> None:
    watched = watch(repo.path, "--wideopen")
    assert talk(watched.server, repo.uuid).ask("GET", "/metrics").status == 404
    side = Api(watched.server, repo.uuid)
    side.connection.port = watched.port
    assert side.post("checkpresent", ABSENT).status == 404
    side.close()


@pytest.mark.parametrize("place", ["here", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http", "no.such.host.invalid:1"])
def test_places_for_metrics_that_are_none(repo: Repo, place: str) -> None:
    done = ours(repo.path, "p2phttp", "--wideopen", "--bind=127.0.0.1", "--port=0", f"--metrics={place}")
    assert done.code == 1
    assert "metrics" in done.err


def test_prometheus_client_is_loaded_only_when_it_is_wanted(
    repo: Repo, tmp_path: Path, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    loaded = tmp_path / "loaded"
    (tmp_path / "prometheus_client.py").write_text(f"open({str(loaded)!r}, 'w').close()")
    server = start(repo.path, "--wideopen", env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert talk(server, repo.uuid).ask("GET", "/healthz").status == 200
    assert not loaded.exists()
