"""What has to be so when all is over: looks at the disks and at the git-annex branches."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from annexshell.annexlog.lines import PRESENT, PresenceLog
from tests.chaos.ledger import Ledger
from tests.chaos.world import CLUSTER, NODES, World
from tests.support.client import Client
from tests.support.real import run

_CHECKER = "99999999-9999-4999-8999-999999999999"


_GIT_LOCKS = ("*.lock", "refs/**/*.lock", "annex/index.lock")


def one_more_session(world: World) -> list[str]:
    """In each repository, after which all that happened there has to be committed; and what it complained about. No git
    runs any more: locks that killed ones have left are removed, as the doctor says."""
    said = []
    for name, path in world.repositories.items():
        for pattern in _GIT_LOCKS:
            for lock in path.glob(pattern):
                lock.unlink()
        client = Client(world.shell, "p2pstdio", str(path), _CHECKER, env=world.server_env(), timeout=60)
        client.ask("VERSION 3")
        code, errors = client.close()
        said += [f"the last session in {name} ended with {code}: {errors.strip()}"] if code or errors else []
        said += [f"journal/{file.name} is left in {name}" for file in (path / "annex/journal").glob("*")]
    return said


def objects(path: Path) -> dict[str, Path]:
    """The contents that lie in a repository, by key."""
    annex = path / "annex" if (path / "annex").exists() else path / ".git" / "annex"
    found = (annex / "objects").rglob("*")
    return {file.name: file for file in found if file.is_file() and file.name == file.parent.name}


def damaged(file: Path) -> bool:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return file.name.partition("--")[2].partition(".")[0] != digest


def logged(path: Path, uuid: str) -> set[str]:
    """The keys that the repository's own branch says to be there."""
    listed = run("git", "ls-tree", "-r", "--full-tree", "git-annex", cwd=path).splitlines()
    logs = [line.split(None, 3)[2:] for line in listed if line.endswith(".log") and line.count("/") == 2]
    asked = "".join(f"{blob}\n" for blob, _ in logs).encode()
    done = subprocess.run(["git", "cat-file", "--batch"], cwd=path, input=asked, capture_output=True, check=True)
    found, rest = set(), done.stdout
    for _, name in logs:
        header, _, rest = rest.partition(b"\n")
        size = int(header.split()[2])
        if uuid.encode() in PresenceLog(rest[:size]).with_status(PRESENT):
            found.add(name.rpartition("/")[2].removesuffix(".log"))
        rest = rest[size + 1 :]
    return found


def verdict(world: World, ledger: Ledger, added: dict[str, bytes], said: list[str]) -> dict[str, list[str]]:
    """What is wrong, by kind. `added` is what real clients have added, which has to be somewhere,
    `said` what the last sessions complained about."""
    have = {name: objects(path) for name, path in world.repositories.items()}
    names = {uuid: name for name, uuid in world.uuids.items()}
    everywhere = [*have.values(), *(objects(clone.path) for clone in world.clones)]
    present = {(key, world.uuids[name]) for name, found in have.items() for key in found}
    present |= {(key, world.uuids[CLUSTER]) for name in NODES for key in have[name]}
    promised = ledger.promised()
    missing = promised - present
    lost = [f"{key} is not in {names[place]}" for key, place in missing if place in names]
    lost += [f"{key}, which git-annex added, is nowhere" for key in added if not any(key in one for one in everywhere)]
    lost += [f"{file} has other bytes" for found in everywhere for file in found.values() if damaged(file)]
    unlogged, cut_off = list(said), 0
    for name, path in world.repositories.items():
        uuid = world.uuids[name]
        told = logged(path, uuid)
        for key in have[name].keys() - told:
            if (key, uuid) in promised - ledger.foreign:
                unlogged.append(f"{key} is in {name}, whose log does not say so")
            else:
                cut_off += 1
        absent = {key for key in told - have[name].keys() if (key, uuid) not in ledger.foreign}
        unlogged += [f"{key} is not in {name}, whose log says so" for key in absent]
    ledger.counts["uploads cut off before they were logged and acknowledged"] = cut_off
    locked = [
        f"{key} was removed from {names[place]} while it was locked" for key, place in ledger.locked_and_removed()
    ]
    waits = [text for text in ledger.broken if text.startswith(("waited", "git-annex took"))]
    lost += [text for text in ledger.broken if "bytes" in text]
    locked += [text for text in ledger.broken if "where it was locked" in text]
    return {"lost": lost, "locked and removed": locked, "unlogged": unlogged, "waits": waits}
