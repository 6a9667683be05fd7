"""Every workload runs and yields its rows. What the figures are is not tested: they depend on the machine."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.client import connect
from tests.bench.model import OURS, THEIRS, BenchError, Place, Row, Settings, Side, Workload, ratio_at_most
from tests.bench.repositories import make_repository, many_keys
from tests.bench.runner import Figures, Result, run_all
from tests.bench.webserver import WebServer
from tests.bench.workloads import HTTP_WORKLOADS, WORKLOADS
from tests.bench.workloads.http import GetSecure, Requests

# One of each kind: what is left out differs in numbers alone.
HTTP = [workload for workload in HTTP_WORKLOADS if not isinstance(workload, Requests)]
HTTP += [workload for workload in HTTP_WORKLOADS if isinstance(workload, Requests)][3:5]

ROOT = Path(__file__).resolve().parent.parent.parent
TINY = Settings(size=4 << 20, operations=3, checks=5, keys=20, seconds=1, connections=20, runs=1, warm_up=False)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the repositories of all workloads are, so that they need not be made for each."""
    return tmp_path_factory.mktemp("bench")


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_workload_measures_both_sides(workload: Workload, shell: Path, programs: Path, kept: Path) -> None:
    sides = [Side(OURS, shell), Side(THEIRS, programs / "git-annex-shell")]
    (results,) = run_all([workload], sides, TINY, kept)
    assert [result.row for result in results] == list(workload.rows) * (2 if workload.large else 1)
    for result in results:
        for side in (OURS, THEIRS):
            (sample,) = result.figures[side].samples
            assert math.isfinite(sample)
            assert sample > 0
        assert result.name in report.line(result)


@pytest.mark.parametrize("workload", HTTP, ids=lambda workload: workload.name)
def test_http_workload_measures_our_server(workload: Workload, shell: Path, kept: Path) -> None:
    if workload.missing:
        pytest.skip(f"needs {', '.join(workload.missing)}")
    measure_http(workload, Side(OURS, shell), kept)


@pytest.mark.parametrize("workload", HTTP[:2], ids=lambda workload: workload.name)
def test_http_workload_measures_the_original(workload: Workload, programs: Path, kept: Path) -> None:
    measure_http(workload, Side(THEIRS, programs / "git-annex-shell"), kept)


def measure_http(workload: Workload, side: Side, kept: Path) -> None:
    (results,) = run_all([workload], [side], TINY, kept)
    assert [result.row for result in results] == list(workload.rows)
    for result in results:
        (sample,) = result.figures[side.name].samples
        assert math.isfinite(sample)
        # What so few connections take is less than what a server happens to take and give back meanwhile.
        assert sample > 0 or result.name == "http-idle/each"
        assert result.name in report.line(result)


def test_http_server_that_does_not_start_is_not_measured(shell: Path, kept: Path) -> None:
    place = Place(Side(OURS, shell), TINY, kept, "", 0, kept)
    with pytest.raises(BenchError, match="no git-annex repository here"), WebServer(place):
        pass


def test_http_workload_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (secure,) = [workload for workload in HTTP_WORKLOADS if isinstance(workload, GetSecure)]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert secure.missing == ["curl", "openssl"]


def test_large_repository_has_its_keys(programs: Path, tmp_path: Path) -> None:
    uuid = make_repository(tmp_path / "large.git", 3)
    assert make_repository(tmp_path / "large.git", 3) == uuid, "the second time it is used as it is"
    with connect(programs / "git-annex-shell", tmp_path / "large.git", uuid) as session:
        for key in many_keys(3):
            assert session.ask(b"CHECKPRESENT " + key.encode()) == b"SUCCESS"
            assert session.ask(b"REMOVE " + key.encode()) == b"SUCCESS"
        session.end()
    done = subprocess.run(
        ["git", "grep", "-h", "s 0 " + uuid, "git-annex"], cwd=tmp_path / "large.git", capture_output=True, check=True
    )
    assert len(done.stdout.splitlines()) == 3, "removing them changes the logs that they had"


def test_server_that_does_something_else_is_not_measured(shell: Path, tmp_path: Path) -> None:
    uuid = make_repository(tmp_path / "bench.git", 0)
    with connect(shell, tmp_path / "bench.git", uuid) as session, pytest.raises(BenchError, match="FAILURE"):
        session.expect(b"CHECKPRESENT SHA256-s1--absent", b"SUCCESS")
    with pytest.raises(BenchError, match="ended its output"):
        connect(shell, tmp_path / "nothing.git", uuid)


def test_report_judges_goals() -> None:
    figures = {OURS: Figures((5.0, 6.0, 100.0)), THEIRS: Figures((10.0,))}
    line = report.line(Result("small", Row("put", "ms", ratio_at_most(0.5)), 0, figures))
    assert line.split() == ["small/put", "ms", "6", "±396%", "10", "±", "0%", "0.60x", "<=", "0.5x", "MISSED"]
    line = report.line(Result("small", Row("put", "ms", ratio_at_most(0.7)), 0, figures))
    assert "MISSED" not in line
    line = report.line(Result("small", Row("put", "ms", ratio_at_most(0.5)), 0, {OURS: figures[OURS]}))
    assert "MISSED" not in line, "there is nothing to compare with"


def test_report_shows_growth() -> None:
    row = Row("put", "ms")
    results = [Result("small", row, keys, {OURS: Figures((1.0 + keys,))}) for keys in (0, 2)]
    assert [line.split() for line in report.growth(results)] == [["small/put", "@2", "3.00x"]]


def test_command_line(shell: Path, tmp_path: Path) -> None:
    argv = ["--only", "end", "--runs", "1", "--keys", "3", "--no-theirs", "--json", str(tmp_path / "figures.json")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--ours", shell, "--cache", tmp_path / "cache", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "end/after-one @3" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [figure["keys"] for figure in figures] == [0, 3]
    assert all(figure["figures"][OURS]["median"] > 0 for figure in figures)
