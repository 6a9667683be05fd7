"""Simulations by annexshell and by git-annex of the same repositories, where no chance is involved.

SIM_ROUNDS says how many are drawn, SIM_SEED from which seed on.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.admin import ours, theirs
from tests.support.worlds import Dice, World

SEED = int(os.environ.get("SIM_SEED", "0"))
ROUNDS = int(os.environ.get("SIM_ROUNDS", "2"))

# Globs for whole paths are left out: in its simulations git-annex does not match them with the names of files.
EXPRESSIONS = """anything include=*.txt smallerthan=1kb balanced=g1 balanced=g1:2 fullybalanced=g1 sizebalanced=g1
fullysizebalanced=g1:2 copies=2 inallgroup=g1 largerthan=10""".split()
EXPRESSIONS += ["not copies=g1:1", "onlyingroup=g1 or not copies=2", "include=*[xy] and not copies=semitrusted:3"]


def script(world: World, dice: Dice) -> str:
    """Real repositories, and files of which all are at the first one, that others get and drop."""
    special = world.repo.git("cat-file", "blob", "git-annex:remote.log")
    plain = [uuid for uuid in world.uuids if uuid not in special]
    names = [f"r{number}" for number in range(5)]
    lines = [f"use {name} {uuid}" for name, uuid in zip(names, plain)]
    for name in names[1:]:
        lines += [f"group {name} g1", f"wanted {name} {dice.choice(EXPRESSIONS)}", f"required {name} nothing"]
        lines += [f"maxsize {name} {dice.choice(['1kb', '10kb', '3mb'])}"] * (dice.random() < 0.7)
    lines += ["initremote store", "trustlevel r0 semitrusted", f"numcopies {dice.choice([1, 2])}"]
    lines += ["connect r0 -> r1 -> r2", "connect r0 -> r2 -> r3", "connect r0 -> r4 -> store <- r0"]
    lines += ["clusternode node-r3 r3", "connect r0 -> node-r3 <- r1", "seed 1"]
    lines += ["addtree r0 anything", f"addtree r4 {dice.choice(['include=*.txt', 'exclude=a/*', 'anything'])}"]
    sources = {"r0": ["r1", "r2", "r4", "store", "node-r3"], "r1": ["r2", "node-r3"], "r4": ["store"]}
    for _ in range(12):
        name = dice.choice(list(sources))
        action = dice.choice(["sendwanted", "sendwanted", "dropunwantedfrom", "gitpull", "gitpush"])
        remote = dice.choice(sources[name])
        if remote not in ("store", "node-r3") or not action.startswith("git"):
            lines.append(f"action {name} {action} {remote}")
    return "\n".join(lines) + "\n"


@pytest.mark.timeout(120 + 30 * ROUNDS)
def test_the_same_happens(tmp_path: Path) -> None:
    world = World(tmp_path / "world", SEED)
    moved = 0
    for seed in range(SEED, SEED + ROUNDS):
        dice = Dice(seed)
        world.draw(dice)
        file = tmp_path / f"{seed}.sim"
        file.write_text(script(world, dice))
        done = theirs(world.repo.path, "sim", "start", str(file))
        assert done.code == 0, done
        real = theirs(world.repo.path, "sim", "show").out
        theirs(world.repo.path, "sim", "end")
        here = ours(world.repo.path, "sim", "--log", "--quiet", str(file))
        assert here.code == 0, here
        wanted = [line for line in real.splitlines() if line.startswith(("action", "present", "notpresent"))]
        found = [line for line in here.out.splitlines() if line.startswith(("action", "present", "notpresent"))]
        assert found == wanted, f"seed {seed}\n{file.read_text()}"
        moved += sum(line.startswith(("present", "notpresent")) for line in wanted)
    assert moved > ROUNDS
