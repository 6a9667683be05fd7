"""Measures our git-annex-shell and the real one in turns, and prints medians."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench import report, wishes
from tests.bench.model import OURS, QUICK, THEIRS, BenchError, Settings, Side, Workload
from tests.bench.runner import Result, run_all
from tests.bench.workloads import HTTP_WORKLOADS, WORKLOADS
from tests.support.real import real_binary

_GITCONFIG = "[user]\n\tname = Bench\n\temail = bench@example.com\n[gc]\n\tauto = 0\n"


def _arguments() -> argparse.Namespace:
    installed = Path(sys.executable).with_name("git-annex-shell")
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    names = [workload.name for workload in (*WORKLOADS, *HTTP_WORKLOADS)]
    parser.add_argument("--http", action="store_true", help="measure the HTTP servers (needs wrk, curl and openssl)")
    parser.add_argument("--quick", action="store_true", help="little work and few runs: a look, not a measurement")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of: {', '.join(names)}")
    parser.add_argument("--runs", type=int, metavar="N", help="after one to warm up (default: as each workload needs)")
    parser.add_argument("--size", type=int, metavar="BYTES", help="of the big object (default: 1 GiB)")
    parser.add_argument("--keys", type=int, metavar="N", help="in the large repository (default: 100000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all samples here")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="work and keep repositories there")
    parser.add_argument("--ours", type=Path, metavar="PATH", default=installed, help=f"(default: {installed})")
    parser.add_argument("--no-theirs", action="store_true", help="measure ours alone")
    parser.add_argument("--wishes", action="store_true", help="measure preferred content instead, by 1000000 keys")
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = QUICK if arguments.quick else Settings()
    given = {name: getattr(arguments, name) for name in ("runs", "size", "keys")}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def _workloads(arguments: argparse.Namespace) -> list[Workload]:
    """Those that are wanted and can be run; what the others lack is said."""
    if arguments.only:
        wanted = [workload for workload in (*WORKLOADS, *HTTP_WORKLOADS) if workload.name in arguments.only]
    else:
        wanted = HTTP_WORKLOADS if arguments.http else WORKLOADS
    for workload in wanted:
        if workload.missing:
            print(f"{workload.name} is left out: install {' and '.join(workload.missing)}", file=sys.stderr)
    return [workload for workload in wanted if not workload.missing]


@contextmanager
def _directory(cache: Path | None) -> Iterator[Path]:
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        yield cache.resolve()
    else:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            yield Path(directory)


def _set_environment(directory: Path) -> Path:
    """Nothing of the account's configuration counts; the real git-annex is first on PATH. Returns its git-annex-shell,
    the binary itself: the wrapper of the package on PyPI takes longer to start than all the rest."""
    home, programs = directory / "home", directory / "programs"
    for path in (home, programs):
        path.mkdir(exist_ok=True)
    (home / ".gitconfig").write_text(_GITCONFIG)
    for name in ("git-annex", "git-annex-shell"):
        (programs / name).unlink(missing_ok=True)
        (programs / name).symlink_to(real_binary())
    for name in list(os.environ):
        if name.startswith(("GIT_", "SSH_", "ANNEX", "PYTHON")):
            del os.environ[name]
    os.environ |= {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    return programs / "git-annex-shell"


def main() -> int:
    arguments = _arguments()
    workloads = _workloads(arguments)
    results: list[Result] = []
    with _directory(arguments.cache) as directory:
        theirs = _set_environment(directory)
        if arguments.wishes:
            for line in wishes.measure(directory, arguments.keys or (1000 if arguments.quick else 1_000_000)):
                print(line, flush=True)
            return 0
        sides = [Side(OURS, arguments.ours.absolute())]
        if not arguments.no_theirs:
            sides.append(Side(THEIRS, theirs))
        print(report.HEADER, flush=True)
        try:
            for some in run_all(workloads, sides, _settings(arguments), directory):
                results += some
                print(*map(report.line, some), sep="\n", flush=True)
        except BenchError as error:
            print(f"bin/bench: {error}", file=sys.stderr)
            return 1
    grown = report.growth(results)
    if grown:
        print("\nin the large repository, compared with the empty one:", *grown, sep="\n")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report.as_json(results), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
