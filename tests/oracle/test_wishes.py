"""What repositories want, asked of the real git-annex and of ours about the same repository.

WISHES_ROUNDS says how many times 680 questions are drawn, WISHES_SEED from which seed on; WISHES_FILES is how many more
files are asked about each time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.policy.preferred import wants
from annexshell.repo.gateway.preferredcontent import PreferredContent
from annexshell.repo.local.opening import open_parts
from tests.support.worlds import Dice, World, log_path

SEED = int(os.environ.get("WISHES_SEED", "0"))
ROUNDS = int(os.environ.get("WISHES_ROUNDS", "8"))
FILES = int(os.environ.get("WISHES_FILES", "0"))


@pytest.mark.timeout(120 + (5 + FILES // 20) * ROUNDS)
def test_everybody_wants_the_same(tmp_path: Path) -> None:
    world = World(tmp_path / "world", SEED, FILES)
    parts = open_parts(os.fsencode(world.repo.path), dict(os.environb), print)
    settled, rebalanced = PreferredContent(parts, dict), PreferredContent(parts, dict, rebalance=True)
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


@pytest.mark.parametrize("wanted", ["balanced=g:2", "fullybalanced=g:3", "sizebalanced=g:2", "balanced=g"])
def test_rebalancing_when_many_are_nearly_full(tmp_path: Path, wanted: str) -> None:
    """Two of four are full to 95 per cent, one has no maximum and one is empty."""
    world = World(tmp_path / "world", 3)
    dice = Dice(3)
    world.uuids = [dice.uuid() for _ in range(4)]
    key = max(world.keys.values(), key=lambda key: key.size or 0)
    assert key.size is not None
    maxima = {world.uuids[0]: key.size * 20 // 19, world.uuids[1]: key.size * 20 // 19, world.uuids[3]: key.size * 9}
    world.write(
        {
            "uuid.log": "".join(f"{uuid} x timestamp=1s\n" for uuid in [*world.uuids, world.repo.uuid]),
            "group.log": "".join(f"{uuid} g timestamp=1s\n" for uuid in world.uuids),
            "preferred-content.log": "".join(f"{uuid} {wanted} timestamp=1s\n" for uuid in world.uuids),
            "maxsize.log": "".join(f"1s {uuid} {maximum}\n" for uuid, maximum in maxima.items()),
            log_path(key): "".join(f"1s 1 {uuid}\n" for uuid in world.uuids[:2]),
        }
    )
    parts = open_parts(os.fsencode(world.repo.path), dict(os.environb), print)
    wishes = PreferredContent(parts, dict, rebalance=True)
    found = []
    for name in world.names():
        subject = wishes.subject(world.keys[name], os.fsencode(name))
        found.append([wants(subject, uuid.encode(), default=False) for uuid in world.uuids])
    wishes.close()
    parts.git.close()
    assert found == world.ask("--rebalance")
