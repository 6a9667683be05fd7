"""Everything at once, for a while: a cluster behind a gateway, clients of all kinds, and faults; then a reckoning."""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom

from tests.chaos.check import one_more_session, verdict
from tests.chaos.ledger import Ledger
from tests.chaos.mischief import Mischief
from tests.chaos.real import Beside, Real
from tests.chaos.scripted import Contents, Scripted
from tests.chaos.talkers import Stopwatch
from tests.chaos.world import World
from tests.support.sshd import missing


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (default: 60)")
    parser.add_argument("--seed", type=int, help="decides what is tried; another one each time if not given")
    parser.add_argument("--clients", type=int, default=4, help="scripted ones (default: 4)")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds that an answer may take (default: 30)")
    parser.add_argument("--calm", action="store_true", help="without faults")
    parser.add_argument("--keep", action="store_true", help="leave the repositories where they are")
    return parser.parse_args()


class Chaos:
    """The players, each with dice of its own, so that a seed says what each of them tries. In which order that meets is
    up to the machine."""

    def __init__(self, world: World, arguments: argparse.Namespace, seed: int) -> None:
        self._deadline = 0.0
        self._failed: list[str] = []
        self._seconds = arguments.seconds
        self.world = world
        self.ledger = Ledger(world.cluster())
        watch = Stopwatch(arguments.patience, self.ledger.accuse)
        contents = Contents(seed)
        dice = [Random(f"{seed} {number}") for number in range(arguments.clients + 4)]
        self.real = [Real(world, self.ledger, clone, dice.pop()) for clone in world.clones]
        self.mischief = Mischief(world, self.ledger, dice.pop())
        self._players: list[Callable[[Callable[[], bool]], None]] = [one.run for one in self.real]
        self._players.append(Beside(world, dice.pop()).run)
        self._players += [Scripted(world, self.ledger, contents, one, watch).run for one in dice]
        self._players += [] if arguments.calm else [self.mischief.run]

    def play(self) -> None:
        self._deadline = time.monotonic() + self._seconds
        threads = [threading.Thread(target=self._guarded, args=(player,), daemon=True) for player in self._players]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, self._deadline - time.monotonic()) + 120)
            if thread.is_alive():
                self._failed.append("a client did not come to an end")

    def _guarded(self, player: Callable[[Callable[[], bool]], None]) -> None:
        try:
            player(lambda: time.monotonic() >= self._deadline)
        except Exception:
            self._failed.append(traceback.format_exc())

    def reckon(self) -> dict[str, list[str]]:
        self.mischief.undo()
        self.world.settle()
        said = one_more_session(self.world)
        added = {key: content for client in self.real for key, content in client.contents.items()}
        return {**verdict(self.world, self.ledger, added, said), "mistakes of this program": self._failed}


def _report(chaos: Chaos, wrong: dict[str, list[str]], seed: int) -> int:
    for what, count in sorted(chaos.ledger.counts.items()):
        print(f"{count:6} {what}")
    print(f"{len(chaos.ledger.stores):6} uploads acknowledged, {len(chaos.ledger.promised())} promises to be kept")
    print(f"{sum(removal.done for removal in chaos.ledger.removals):6} removals granted")
    for kind, texts in wrong.items():
        for text in texts:
            print(f"{kind}: {text}")
            for line in chaos.ledger.history(text.partition(" ")[0]) if "--" in text else ():
                print(f"    {line}")
    print(", ".join(f"{len(texts)} {kind}" for kind, texts in wrong.items()) + f"; seed {seed}")
    return 1 if any(wrong.values()) else 0


def main() -> int:
    arguments = _arguments()
    reason = missing()
    if reason:
        print(f"chaos needs an sshd: {reason}", file=sys.stderr)
        return 2
    seed = SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"seed {seed}, {arguments.seconds:g} seconds", flush=True)
    top = Path(tempfile.mkdtemp(prefix="chaos-"))
    world = World(top)
    try:
        world.build()
        chaos = Chaos(world, arguments, seed)
        chaos.play()
        return _report(chaos, chaos.reckon(), seed)
    finally:
        world.close(arguments.keep)


if __name__ == "__main__":
    sys.exit(main())
