"""What scripted clients do: one key after the other is stored, asked for, fetched, locked and removed, each by several
clients at places that they choose, and everything that is granted goes into the ledger."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from random import Random

from tests.chaos.ledger import Ledger
from tests.chaos.talkers import Gone, HttpTalker, SshTalker, Stopwatch, Talker
from tests.chaos.world import CLUSTER, NODES, World
from tests.support.client import sha256_key

_KEYS = 12  # that are in play at once; the others rest, as they were left
_SIZES = (0, 1, 1000, 70_000, 300_000)  # bytes
_HELD = 1.5  # seconds for which a content is kept locked, at most


class Contents:
    """Keys and their contents, which all clients share. What a number stands for depends on the seed alone."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._newest = _KEYS
        self.all: dict[str, bytes] = {}

    def choose(self, dice: Random) -> tuple[str, bytes]:
        if dice.random() < 0.1:
            self._newest += 1
        drawn = Random(f"{self._seed} {self._newest - dice.randrange(_KEYS)}")
        content = drawn.randbytes(drawn.choice(_SIZES) + 8)
        key = sha256_key(content)
        self.all[key] = content
        return key, content


class Scripted:
    """One client, who comes and goes until it is time to stop."""

    def __init__(self, world: World, ledger: Ledger, contents: Contents, dice: Random, watch: Stopwatch) -> None:
        self._world = world
        self._ledger = ledger
        self._contents = contents
        self._dice = dice
        self._watch = watch
        self._client = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        self._place = self._where = ""
        self._is_foreign = False

    def run(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            try:
                talker = self._connect()
            except Gone:
                self._ledger.count("refused connections")
                time.sleep(0.05)
                continue
            cut = False
            try:
                for _ in range(self._dice.randrange(1, 8)):
                    self._something(talker)
                    if is_over():
                        break
                cut = self._dice.random() < 0.2
            except Gone:
                self._ledger.count("broken sessions")
            finally:
                talker.close(cut)

    def _connect(self) -> Talker:
        world, dice = self._world, self._dice
        name = dice.choice(("gw", CLUSTER, CLUSTER, *NODES))
        self._place, self._is_foreign = world.uuids[name], False
        way = dice.choice(("ssh", "ssh", "http", "original"))
        self._ledger.count(f"connections by {way}")
        self._where = f"{name} by {way}, {self._client[:8]}"
        if way == "http":
            return HttpTalker(world.servers["gw"].port, self._client, self._place, self._watch)
        if way == "original" and name in ("gw", "dir"):
            argv, path = world.accounts["original"], world.repositories[name]
            self._is_foreign = True
        else:
            argv, path = world.accounts["gw"], world.repositories["gw"]
        return SshTalker([world.ours / "ssh", argv.host], str(path), self._client, self._place, self._watch)

    def _something(self, talker: Talker) -> None:
        key, content = self._contents.choose(self._dice)
        action = self._dice.choice((self._put, self._put, self._get, self._present, self._lock, self._remove))
        if self._is_foreign:
            self._ledger.foreign.add((key, self._place))
        asked = f"{action.__name__.strip('_')} {key} at {self._where}"
        try:
            answer = action(talker, key, content)
        except Gone as error:
            self._ledger.tell(f"{asked}: {error}")
            raise
        self._ledger.tell(f"{asked}: {answer}")
        self._ledger.count("scripted requests")

    def _put(self, talker: Talker, key: str, content: bytes) -> object:
        began = time.monotonic()
        places = talker.put(key, content)
        if places is not None:
            self._ledger.store(key, [self._place, *places], began)
        return places

    def _get(self, talker: Talker, key: str, content: bytes) -> object:
        if not talker.present(key):
            return None
        got = talker.get(key, len(content))
        if got is not None and got != content:
            self._ledger.accuse(f"{key} came with other bytes from {self._place}")
        return got is not None

    def _present(self, talker: Talker, key: str, content: bytes) -> object:
        return talker.present(key)

    def _lock(self, talker: Talker, key: str, content: bytes) -> object:
        if not talker.lock(key):
            return False
        hold = self._ledger.hold(key, self._place, self._is_foreign)
        self._ledger.count("locks")
        time.sleep(self._dice.random() * _HELD)
        if isinstance(talker, HttpTalker) and not talker.present(key):
            self._ledger.accuse(f"{key} is gone from {self._place}, where it was locked")
        if self._dice.random() < 0.3:
            if self._is_foreign:  # the original takes the end of a session for that of the lock
                hold.answer(True)
            raise Gone("cut while it was locked")  # the lock stays, for ten minutes
        hold.answer(True)
        talker.unlock()
        return True

    def _remove(self, talker: Talker, key: str, content: bytes) -> object:
        removal = self._ledger.remove(key, self._place, self._is_foreign)
        places = talker.remove(key)
        removal.answer(places is not None)  # whoever got no answer does not know
        return places
