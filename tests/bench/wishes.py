"""Measures what preferred content costs: evaluating expressions, simulating uploads, and adding up sizes.

There is nothing of the original to compare with: it evaluates within its commands.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from annexshell.model.key import Key, parse_key
from annexshell.policy.preferred import explain_failure, wants
from annexshell.policy.simulation.setting import Setting
from annexshell.policy.snapshot import Subject
from annexshell.repo.gateway.preferredcontent import PreferredContent
from annexshell.repo.local.closing import close
from annexshell.repo.local.opening import open_parts
from tests.bench.repositories import log_locations, many_keys
from tests.support.real import Repo
from tests.support.worlds import Dice

_NODES = 100
_MAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from annexshell.cli.admin.main import main; main()"
_ROOT = Path(__file__).resolve().parents[2]
_COMMITS = 20


def measure(directory: Path, keys: int) -> Iterator[str]:
    """Lines of a report."""
    for name, microseconds in evaluations():
        yield f"{name:<48} {microseconds:8.1f} us for {_NODES} nodes"
    for wish in ("balanced=g", "sizebalanced=g", "sizebalanced=g:2"):
        seconds, megabytes = _simulation(directory, wish, keys)
        yield f"{f'sim: {keys:,} uploads, {wish}':<48} {seconds:8.1f} s of CPU, {megabytes:.0f} MB"
    yield from _sizes(directory, keys)


def evaluations(repeat: int = 2000) -> Iterator[tuple[str, float]]:
    """(what the nodes want, microseconds for one key), the median."""
    dice = Dice(1)
    wishes: dict[str, Callable[[int], str]] = {
        "the same balanced= at all": lambda _: "balanced=g:2",
        "the same sizebalanced= at all": lambda _: "sizebalanced=g:2",
        "standard, of archives": lambda _: "standard",
        "another one at each": lambda number: f"include=*.{number} or (copies=2 and not largerthan={number}kB)",
        "another one at each, by chance": lambda _: _understood(dice),
    }
    for name, wish in wishes.items():
        setting = Setting()
        for number in range(_NODES):
            uuid = dice.uuid().encode()
            setting.add(f"n{number}", uuid)
            setting.groups[uuid] = {"g", "archive"}
            setting.wanted[uuid] = wish(number)
            setting.maxima[uuid] = 10**9
        yield name, statistics.median(_timed(setting, repeat)) * 1e6


def _understood(dice: Dice) -> str:
    while True:
        text = dice.expression()
        if text and explain_failure(text) is None:
            return text


def _timed(setting: Setting, repeat: int) -> Iterator[float]:
    snapshot = setting.snapshot()
    uuids = list(setting.names.values())
    for number in range(repeat):
        key = Key(b"SHA256", b"%064x" % number, number)
        started = time.perf_counter()
        subject = Subject(snapshot, key, "dir/file.txt", uuids[:1])
        for uuid in uuids:
            wants(subject, uuid)
        yield time.perf_counter() - started


def _simulation(directory: Path, wish: str, keys: int) -> tuple[float, float]:
    repository = directory / "sim"
    if not repository.exists():
        Repo(repository)
    file = directory / "cluster.sim"
    lines = [f"init n{n}\ngroup n{n} g\nwanted n{n} {wish}\nmaxsize n{n} {2 + n % 3}GB" for n in range(_NODES)]
    file.write_text("\n".join(lines))
    return _run(repository, "sim", "--json", f"--keys={keys}", "--sizes=1kB..100kB", str(file))


def _run(directory: Path, *words: str) -> tuple[float, float]:
    """Seconds of CPU and peak megabytes of annexshell."""
    pid = os.fork()
    if pid == 0:
        os.chdir(directory)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execv(sys.executable, [sys.executable, "-I", "-c", _MAIN, str(_ROOT), *words])
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise RuntimeError(f"annexshell {words[0]} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _sizes(directory: Path, keys: int) -> Iterator[str]:
    repository = directory / f"sizes{keys}"
    if not repository.exists():
        log_locations(Repo(repository, bare=True), keys)
    (repository / "annex/annexshell/sizes").unlink(missing_ok=True)
    started = time.monotonic()
    _, megabytes = _run(repository, "maxsize")
    yield f"{f'sizes: first pass, {keys:,} keys':<48} {time.monotonic() - started:8.1f} s, {megabytes:.0f} MB"
    parts = open_parts(os.fsencode(repository), dict(os.environb), print)
    wishes = PreferredContent(parts, dict)
    wishes.sizes()
    times = []
    for key in list(many_keys(_COMMITS)):
        log = parts.annex.layout.location_log(parse_key(key.encode()))
        parts.journal.set_locations(log, [b"33333333-3333-4333-8333-333333333333"], b"1")
        started = time.perf_counter()
        wishes.sizes()
        journaled = time.perf_counter() - started
        close(open_parts(os.fsencode(repository), dict(os.environb), print), changed=False)
        started = time.perf_counter()
        wishes.sizes()
        times.append((journaled, time.perf_counter() - started))
    wishes.close()
    parts.git.close()
    for what, column in (("a fact in the journal", 0), ("a commit", 1)):
        milliseconds = statistics.median(row[column] for row in times) * 1e3
        yield f"{f'sizes: after {what}':<48} {milliseconds:8.1f} ms"
