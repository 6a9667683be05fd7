"""Prints a look at what is going on as lines for people."""

from __future__ import annotations

import os
import time

from annexshell.cli.admin.amounts import in_bytes, in_time
from annexshell.cli.admin.report import safe
from annexshell.repo.local.running import SENDING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.admin.shown import NodeSummary
    from annexshell.cli.admin.watching.shown import Look, Process, ShownLock, WatchedRepository, WatchedTransfer


def lines(look: Look) -> list[str]:
    """The lines. What is in them is escaped, so that each remains one line."""
    found = []
    for repository in look["repositories"]:
        found += _repository(repository, look)
    found.append(f"processes: {len(look['processes']) or 'none'}")
    found += [f"  {_process(process, look['time'])}" for process in look["processes"]]
    if any(not process["visible"] for process in look["processes"]):
        found.append("some belong to other accounts: what they hold can't be seen")
    return [safe(line).replace("\n", " ").replace("\t", " ") for line in found]


def _repository(repository: WatchedRepository, look: Look) -> list[str]:
    name = repository["description"] or os.path.basename(repository["directory"])
    if not repository["present"]:
        return [f"{name}: {repository['directory']} is gone"]
    found = [f"{name}: {repository['directory']}{_fullness(repository)}"]
    transfers, locks, nodes = repository["transfers"], repository["locks"], repository["nodes"]
    found.append(f"  transfers: {len(transfers) or 'none'}{_all_rates(transfers)}")
    found += [f"    {_transfer(transfer, look)}" for transfer in transfers]
    if nodes is None:
        found.append("  nodes: being asked")
    elif nodes:
        found.append(f"  nodes: {len(nodes)}")
        found += [f"    {_node(node)}" for node in nodes]
    if locks:  # comes last, since there may be many
        found.append(f"  locks: {len(locks)}")
        found += [f"    {_lock(lock, look)}" for lock in locks]
    return found


def _transfer(transfer: WatchedTransfer, look: Look) -> str:
    done, size, rate = transfer["done"], transfer["size"], transfer["rate"]
    text = transfer["transfer"]
    if done is not None:
        text += f" {100 * min(done, size) // size} % of {in_bytes(size)}" if size else f" {in_bytes(done)}"
    if rate is not None:
        text += f", {in_bytes(round(rate))}/s"
        if size and done is not None and rate >= 1 and size >= done:
            text += f", {in_time((size - done) / rate)} left"
    peer = transfer["peer_name"] or transfer["peer"]
    whom = f"{'to' if transfer['transfer'] == SENDING else 'from'} {peer}{_by(transfer['pid'], look, peer)}"
    return f"{text}: {transfer['file'] or transfer['key']} {whom}"


def _all_rates(transfers: list[WatchedTransfer]) -> str:
    known = [transfer["rate"] for transfer in transfers if transfer["rate"] is not None]
    return f", {in_bytes(round(sum(known)))}/s" if known else ""


def _lock(lock: ShownLock, look: Look) -> str:
    what = lock["key"] or lock["file"]
    if lock["until"] is not None:
        left = in_time(max(0.0, lock["until"] - look["time"]))
        return f"kept for {left} more, for {_who(lock) or 'an HTTP client'}: {what}"
    state = "locked" if lock["key"] is None or lock["exclusive"] else "kept"
    return f"{state}{_by(lock['pid'], look)}: {what}"


def _by(pid: int | None, look: Look, known: str = "") -> str:
    """Names a process, and the client that it serves unless that is `known`."""
    if pid is None:
        return ""
    process = next((each for each in look["processes"] if pid == each["pid"] or pid in each["workers"]), None)
    who = "" if process is None else _who(process, known)
    return f", by {pid}" + (f" ({who})" if who else "")


def _who(facts: Process | ShownLock, known: str = "") -> str:
    """Names the client of a process or of a lock."""
    client = facts["client_name"] or facts["client"]
    user = facts.get("user")
    return ", ".join(
        filter(None, ["" if client == known else client, f"user {user}" if user else "", facts["address"]])
    )


def _node(node: NodeSummary) -> str:
    state = node["problem"] or ("answers" if node["asked"] else "not asked")
    clusters = f" in {', '.join(node['clusters'])}" if node["clusters"] else ""
    return f"{node['name']}{clusters}: {state}{_fullness(node)}"


def _fullness(known: WatchedRepository | NodeSummary) -> str:
    size, maximum = known["size"], known["maximum"]
    if size is None:
        return ""
    if not maximum:
        return f", {in_bytes(size)}"
    return f", {in_bytes(size)} of {in_bytes(maximum)} ({100 * size // maximum} % full)"


def _process(process: Process, now: float) -> str:
    facts = [f"{process['pid']} {process['program']} {process['command']}".rstrip(), _who(process)]
    facts.append(f"account {process['account']}")
    if process["workers"]:
        facts.append(_several(len(process["workers"]), "worker"))
    if process["connections"]:
        facts.append(_several(process["connections"], "connection"))
    facts.append(f"for {in_time(max(0.0, now - process['since']))}")
    facts.append(f"{process['cpu']:.1f} s of CPU, {in_bytes(process['memory'])} of memory")
    facts.append(process["fingerprint"] or "")
    return ", ".join(filter(None, facts))


def _several(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def heading(look: Look) -> str:
    return f"annexshell top, {time.strftime('%H:%M:%S', time.localtime(look['time']))}, q ends"
