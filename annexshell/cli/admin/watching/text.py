"""A look at what is going on, as lines for a person."""

from __future__ import annotations

import os
import time

from annexshell.cli.admin.doctor.finding import in_bytes, in_time
from annexshell.cli.admin.report import safe
from annexshell.repo.underway import SENDING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Shown = dict[str, Any]


def lines(look: Shown) -> list[str]:
    """All of it; each line is one, whatever is in it."""
    found = []
    for repository in look["repositories"]:
        found += _repository(repository, look)
    found.append(f"processes: {len(look['processes']) or 'none'}")
    found += [f"  {_process(process, look['time'])}" for process in look["processes"]]
    if any(not process["visible"] for process in look["processes"]):
        found.append("some belong to other accounts: what they hold can't be seen")
    return [safe(line).replace("\n", " ").replace("\t", " ") for line in found]


def _repository(repository: Shown, look: Shown) -> list[str]:
    name = repository["description"] or os.path.basename(repository["directory"])
    found = [f"{name}: {repository['directory']}{_fullness(repository)}"]
    transfers, locks, nodes = repository["transfers"], repository["locks"], repository["nodes"]
    found.append(f"  transfers: {len(transfers) or 'none'}{_all_rates(transfers)}")
    found += [f"    {_transfer(transfer, look)}" for transfer in transfers]
    if locks:
        found.append(f"  locks: {len(locks)}")
        found += [f"    {_lock(lock, look)}" for lock in locks]
    if nodes is None:
        found.append("  nodes: being asked")
    elif nodes:
        found.append(f"  nodes: {len(nodes)}")
        found += [f"    {_node(node)}" for node in nodes]
    return found


def _transfer(transfer: Shown, look: Shown) -> str:
    done, size, rate = transfer["done"], transfer["size"], transfer["rate"]
    text = f"{transfer['transfer']} {transfer['file'] or transfer['key']}"
    if done is not None:
        text += f": {in_bytes(done)}"
        if size:
            text += f" of {in_bytes(size)} ({100 * min(done, size) // size} %)"
    if rate is not None:
        text += f", {in_bytes(round(rate))}/s"
        if size and rate >= 1 and size >= done:
            text += f", {in_time((size - done) / rate)} left"
    return (
        f"{text}, {'to' if transfer['transfer'] == SENDING else 'from'} {transfer['peer']}{_by(transfer['pid'], look)}"
    )


def _all_rates(transfers: list[Shown]) -> str:
    known = [transfer["rate"] for transfer in transfers if transfer["rate"] is not None]
    return f", {in_bytes(round(sum(known)))}/s" if known else ""


def _lock(lock: Shown, look: Shown) -> str:
    if lock["until"] is not None:
        left = in_time(max(0.0, lock["until"] - look["time"]))
        return f"{lock['key']} is kept for an HTTP client, for {left} more"
    what = lock["key"] or lock["file"]
    state = "is locked" if lock["key"] is None or lock["exclusive"] else "is kept"
    return f"{what} {state}{_by(lock['pid'], look)}"


def _by(pid: int | None, look: Shown) -> str:
    if pid is None:
        return ""
    process = next((process for process in look["processes"] if process["pid"] == pid), None)
    return f", by {pid}" + (f" ({_who(process)})" if process is not None and _who(process) else "")


def _who(process: Shown) -> str:
    named = [f"client {process['client']}" if process["client"] else "", process["address"] or ""]
    return ", ".join(filter(None, named))


def _node(node: Shown) -> str:
    state = node["problem"] or ("answers" if node["asked"] else "not asked")
    clusters = f" in {', '.join(node['clusters'])}" if node["clusters"] else ""
    return f"{node['name']}{clusters}: {state}{_fullness(node)}"


def _fullness(known: Shown) -> str:
    size, maximum = known["size"], known["maximum"]
    if size is None:
        return ""
    if not maximum:
        return f", {in_bytes(size)}"
    return f", {in_bytes(size)} of {in_bytes(maximum)} ({100 * size // maximum} % full)"


def _process(process: Shown, now: float) -> str:
    facts = [f"{process['pid']} {process['program']} {process['command']}".rstrip(), _who(process)]
    facts.append(f"account {process['account']}")
    if process["workers"]:
        facts.append(_several(process["workers"], "worker"))
    if process["connections"]:
        facts.append(_several(process["connections"], "connection"))
    facts.append(f"for {in_time(max(0.0, now - process['since']))}")
    facts.append(f"{process['cpu']:.1f} s of CPU, {in_bytes(process['memory'])} of memory")
    return ", ".join(filter(None, facts))


def _several(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def heading(look: Shown) -> str:
    return f"annexshell top, {time.strftime('%H:%M:%S', time.localtime(look['time']))}, q ends"
