"""What repositories want, asked of the real git-annex and of ours about the same repository.

WISHES_ROUNDS says how many times 680 questions are drawn, WISHES_SEED from which seed on; WISHES_FILES is how many more
files are asked about each time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.policy.preferred import wants
from annexshell.repo.opening import open_parts
from annexshell.repo.wishes import Wishes
from tests.support.worlds import Dice, World

SEED = int(os.environ.get("WISHES_SEED", "0"))
ROUNDS = int(os.environ.get("WISHES_ROUNDS", "8"))
FILES = int(os.environ.get("WISHES_FILES", "0"))


@pytest.mark.timeout(120 + (5 + FILES // 20) * ROUNDS)
def test_everybody_wants_the_same(tmp_path: Path) -> None:
    world = World(tmp_path / "world", SEED, FILES)
    parts = open_parts(os.fsencode(world.repo.path), dict(os.environb), print)
    settled, rebalanced = Wishes(parts, dict), Wishes(parts, dict, rebalance=True)
    wrong = []
    wanted = 0
    for seed in range(SEED, SEED + ROUNDS):
        expressions = world.draw(Dice(seed))
        wishes, options = (rebalanced, ["--rebalance"]) if seed % 2 else (settled, [])
        for name, row in zip(world.names(), world.ask(*options)):
            subject = wishes.subject(world.keys[name], os.fsencode(name))
            for uuid, real in zip(world.uuids, row):
                ours = wants(subject, uuid.encode(), default=False)
                wanted += ours
                if ours != real:
                    wrong.append(f"seed {seed}: {uuid} wants {name}: {ours} and not {real}: {expressions[uuid]}")
    settled.close()
    rebalanced.close()
    parts.git.close()
    assert not wrong, "\n".join(wrong[:20])
    assert wanted > 100 * ROUNDS
