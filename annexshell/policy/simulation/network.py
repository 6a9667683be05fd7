"""Repositories that push, pull, send and drop, each knowing only what it has been told: git-annex's simulations.

Upstream: Annex/Sim.hs. Two of its mistakes are not made here: `connect a <-> b <-> c` also makes a a remote of b, and
`disconnect` of two repositories disconnects them. Pure.
"""

from __future__ import annotations

from random import Random

from annexshell.model.key import Key
from annexshell.policy.preferred import wants
from annexshell.policy.simulation.filling import Filling
from annexshell.policy.simulation.setting import BadScript, Setting
from annexshell.policy.snapshot import TRUSTED, Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from annexshell.policy.snapshot import Snapshot

    Attempt = Callable[[], bool]  # tries something with one content at one place; returns whether anything was done

_MAX_FILES = 100_000
_ABSENT = (0, False)  # what a repository knows about a key that it has not heard of
_OFTEN = 1000  # attempts between two reports of the progress


class World:
    """What a simulation may take from a real repository; here, nothing."""

    def use(self, setting: Setting, name: str, what: str) -> None:  # noqa: ARG002
        """Adds a real repository, with what is configured about it, under a name. Raises BadScript."""
        raise BadScript(f'Unable to use a repository "{name}" in the simulation because there is none: {what}')

    def tree(self) -> Iterable[tuple[str, Key]]:
        """The annexed files of the work tree."""
        return ()


class View:
    """What one repository knows: for each key, who has it and since when."""

    def __init__(self) -> None:
        self.facts: dict[Key, dict[bytes, tuple[int, bool]]] = {}

    def locations(self, key: Key) -> list[bytes]:
        return [uuid for uuid, (_, there) in self.facts.get(key, {}).items() if there]

    def set(self, key: Key, uuid: bytes, clock: int, there: bool) -> None:
        self.facts.setdefault(key, {})[uuid] = (clock, there)

    def merge(self, other: View) -> None:
        for key, facts in other.facts.items():
            for uuid, (clock, there) in facts.items():
                known = self.facts.setdefault(key, {}).get(uuid)
                if known is None or known[0] < clock:
                    self.facts[key][uuid] = (clock, there)

    def held(self, uuid: bytes) -> list[Key]:
        """The contents of a repository."""
        return [key for key, facts in self.facts.items() if facts.get(uuid, _ABSENT)[1]]

    def sizes(self) -> dict[bytes, int]:
        sizes: dict[bytes, int] = {}
        for key in self.facts:
            for uuid in self.locations(key):
                sizes[uuid] = sizes.get(uuid, 0) + (key.size or 0)
        return sizes


class Network:
    """A running simulation. `log` has what was asked for and what happened, as `git annex sim show` prints it. `tell`
    is called with sentences for people, and `show` now and then with the number of attempts."""

    def __init__(self, world: World, seed: int, tell: Callable[[str], None], show: Callable[[int], None]) -> None:
        self.setting = Setting()
        self.world = world
        self.dice = Random()  # noqa: S311
        self.seed(seed)
        self.files: dict[str, Key] = {}
        self.log: list[str] = [f"seed {seed}"]
        self.failed = False
        self._tell = tell
        self._show = show
        self._tried = 0
        self._clock = 0
        self._views: dict[bytes, View] = {}
        self._remotes: dict[bytes, set[str]] = {}
        self._fillings: dict[bytes, Filling] = {}

    def seed(self, seed: int) -> None:
        """Makes all that follows depend only on the seed, and not on what has been drawn before."""
        self.dice.seed(f"annexshell sim {seed}")

    def leave_out(self, command: str, words: Sequence[str]) -> None:
        """Reports a command that is left out: it needs repositories on disk, which only git-annex's simulations
        have."""
        self._tell(f"Left out, since it needs git-annex: {command} {' '.join(words)}")

    def configured(self) -> None:
        """Takes notice of changes of the setting."""
        self.setting.changed()
        self._fillings.clear()

    def has_happened(self) -> bool:
        """Whether any repository holds anything."""
        return bool(self.files)

    def sizes(self) -> dict[bytes, int]:
        """What each repository really has, in bytes."""
        uuids = self.setting.names.values()
        return {uuid: sum(key.size or 0 for key in self._view(uuid).held(uuid)) for uuid in uuids}

    def counts(self) -> dict[bytes, int]:
        """How many contents each repository really has."""
        return {uuid: len(self._view(uuid).held(uuid)) for uuid in self.setting.names.values()}

    # Setting up

    def connect(self, pairs: Iterable[tuple[str, str]]) -> None:
        for name, remote in pairs:
            uuid = self.setting.uuid(name)
            self.setting.uuid(remote)
            if uuid in self.setting.special:
                raise BadScript(f"{name} is a special remote, and cannot connect to {remote}")
            self._remotes.setdefault(uuid, set()).add(remote)

    def disconnect(self, pairs: Iterable[tuple[str, str]]) -> None:
        for name, remote in pairs:
            self._remotes.setdefault(self.setting.uuid(name), set()).discard(remote)

    def add(self, file: str, size: int, names: Sequence[str]) -> None:
        self._store(file, Key(b"SHA256", b"%064x" % self.dice.getrandbits(256), size), names)

    def add_many(self, count: int, suffix: str, least: int, most: int, names: Sequence[str]) -> None:
        if count > _MAX_FILES:
            raise BadScript(
                f"more than {_MAX_FILES} files are too many for a network; annexshell sim --keys can simulate more"
            )
        for number in range(count, 0, -1):
            self.add(f"{number}{suffix}", self.dice.randint(*sorted((least, most))), names)

    def add_tree(self, name: str, expression: str) -> None:
        uuid = self.setting.uuid(name)
        snapshot = _asking(expression, uuid)
        for file, key in self.world.tree():
            if wants(Subject(snapshot, key, file, ()), uuid, False):
                self._store(file, key, [name])

    def _store(self, file: str, key: Key, names: Sequence[str]) -> None:
        uuids = [self.setting.uuid(name) for name in names]
        self.files[file] = key
        for name, uuid in zip(names, uuids):
            self._set(uuid, key, uuid, name, True)

    # Knowing

    def _view(self, uuid: bytes) -> View:
        return self._views.setdefault(uuid, View())

    def _set(self, viewer: bytes, key: Key, uuid: bytes, name: str, there: bool) -> None:
        """Lets a repository know about a change in another one. If a gateway made the change, all who use it know."""
        self._clock += 1
        viewers = {viewer}
        if self.setting.nodes.get(name) == uuid:
            viewers |= {other for other, remotes in self._remotes.items() if name in remotes}
        for other in viewers:
            view = self._view(other)
            before = uuid in view.locations(key)
            view.set(key, uuid, self._clock, there)
            if other in self._fillings and before != there:
                self._fillings[other].add(uuid, (key.size or 0) * (1 if there else -1))

    def _subject(self, viewer: bytes, file: str, leaving: bytes = b"") -> Subject:
        view = self._view(viewer)
        filling = self._fillings.get(viewer)
        if filling is None:
            sizes = {**dict.fromkeys(self.setting.names.values(), 0), **view.sizes()}
            filling = self._fillings[viewer] = Filling(sizes, self.setting.maxima)
        key = self.files[file]
        return Subject(self.setting.snapshot(), key, file, view.locations(key), filling, leaving)

    def expect(self, name: str, file: str, there: bool) -> None:
        """Reports an expectation that is not met: a content is absent where it should be `there`, or the reverse."""
        uuid = self.setting.uuid(name)
        key = self.files.get(file)
        found = key is not None and uuid in self._view(uuid).locations(key)
        if key is not None and found == there:
            return
        if key is None:
            but = "the simulation does not include that file."
        else:
            but = "it is not." if there else "it is present."
        self._tell(f"Expected {file} {'to be' if there else 'not to be'} present in {name}, but {but}")
        self.failed = True

    # Doing

    def act(self, words: Sequence[str]) -> None:
        """Carries out `REPOSITORY ACTION [REMOTE]`, with one more action at the same time for each `while action`."""
        attempts: list[Attempt] = []
        for part in " ".join(words).split(" while action "):
            attempts = self._mingled(attempts, self._attempts(part.split()))
        for attempt in attempts:
            self._try(attempt)

    def _try(self, attempt: Attempt) -> bool:
        self._tried += 1
        if not self._tried % _OFTEN:
            self._show(self._tried)
        return attempt()

    def _mingled(self, one: list[Attempt], other: list[Attempt]) -> list[Attempt]:
        """Merges two lists at random; each keeps its order."""
        left, right = one[::-1], other[::-1]
        mingled = []
        while left and right:
            mingled.append((left if self.dice.random() < 0.5 else right).pop())
        return mingled + left[::-1] + right[::-1]

    def _attempts(self, words: Sequence[str]) -> list[Attempt]:
        """The attempts that make up an action."""
        name, action, remote = (*words, "", "", "")[:3]
        if len(words) != (2 if action == "dropunwanted" else 3) or action not in _ACTIONS:
            raise BadScript(f'Unable to parse sim command: "action {" ".join(words)}"')
        uuid = self.setting.uuid(name)
        if remote and remote not in self._remotes.get(uuid, ()):
            raise BadScript(f'Repository {name} does not have a remote "{remote}".')
        if uuid in self.setting.special:
            raise BadScript(f"{name} is a special remote, so git-annex cannot run on it.")
        attempts: list[Attempt] = []
        for step in _ACTIONS[action]:
            attempts += step(self, name, remote)
        return attempts

    def _get(self, name: str, remote: str) -> list[Attempt]:
        here, there = self.setting.uuid(name), self.setting.uuid(remote)

        def attempt(file: str) -> bool:
            key = self.files[file]
            known = self._view(here).locations(key)
            if there not in known or here in known or there not in self._view(there).locations(key):
                return False
            if not wants(self._subject(here, file), here, False):
                return False
            self._set(here, key, here, name, True)
            self.log.append(f"present {name} {file}")
            return True

        return self._each(attempt)

    def _send(self, name: str, remote: str) -> list[Attempt]:
        here, there = self.setting.uuid(name), self.setting.uuid(remote)

        def attempt(file: str) -> bool:
            key = self.files[file]
            known = self._view(here).locations(key)
            if there in known or here not in known or there in self._view(there).locations(key):
                return False
            if not wants(self._subject(here, file), there, False):
                return False
            for viewer in (here, there):
                self._set(viewer, key, there, remote, True)
            self.log.append(f"present {remote} {file}")
            return True

        return self._each(attempt)

    def _drop_here(self, name: str, _remote: str) -> list[Attempt]:
        return self._drop(name, "")

    def _drop(self, name: str, remote: str) -> list[Attempt]:
        """The attempts to drop from a remote or, without one, from the repository itself."""
        here = self.setting.uuid(name)
        place = remote or name
        target = self.setting.uuid(place)

        def attempt(file: str) -> bool:
            key = self.files[file]
            if target not in self._view(here).locations(key):
                return False
            if wants(self._subject(here, file, target), target, False) or not self._is_safe(here, target, key):
                return False
            for viewer in (here, target):
                self._set(viewer, key, target, place, False)
            self.log.append(f"notpresent {place} {file}")
            return True

        return self._each(attempt)

    def _is_safe(self, here: bytes, target: bytes, key: Key) -> bool:
        """Whether enough copies can be verified elsewhere, and enough of these locked."""
        remotes = {self.setting.uuid(remote) for remote in self._remotes.get(here, ())}
        copies = locked = 0
        for uuid in self._view(here).locations(key):
            is_near = uuid == here or uuid in remotes
            is_trusted = self.setting.trust.get(uuid) == TRUSTED
            if uuid == target or uuid not in self._view(uuid).locations(key) or not (is_near or is_trusted):
                continue
            copies += 1
            locked += not is_near or uuid not in self.setting.special
        return copies >= self.setting.copies and locked >= self.setting.least_copies

    def _push(self, name: str, remote: str) -> list[Attempt]:
        return [lambda: self._merge(self.setting.uuid(name), self.setting.uuid(remote))]

    def _pull(self, name: str, remote: str) -> list[Attempt]:
        return [lambda: self._merge(self.setting.uuid(remote), self.setting.uuid(name))]

    def _merge(self, source: bytes, target: bytes) -> bool:
        self._view(target).merge(self._view(source))
        self._fillings.pop(target, None)
        return False

    def _each(self, attempt: Callable[[str], bool]) -> list[Attempt]:
        return [lambda file=file: attempt(file) for file in sorted(self.files)]  # type: ignore[misc]

    def step(self, steps: int, must_settle: bool) -> None:
        """Takes steps in random order, and syncs when nothing is left to do. The network is stable when nothing is left
        after that either."""
        done = 0
        while done < steps:
            progress = self._some(("getwanted", "sendwanted", "dropunwantedfrom"), steps - done)
            progress = progress or self._some(("sync",), steps - done)
            if not progress:
                self._tell(f"Simulation has stabilized after {done} steps.")
                return
            done += progress
        if must_settle and self._some(("sync",), 1):
            self._tell(f"Simulation failed to stabilize after {steps} steps.")
            self.failed = True

    def _some(self, actions: Sequence[str], most: int) -> int:
        """Carries out at most so many attempts of these actions, in all repositories; returns how many succeeded."""
        attempts = []
        for name, uuid in self.setting.names.items():
            for remote in sorted(self._remotes.get(uuid, ())):
                for action in actions:
                    attempts += self._attempts([name, action, remote])
        if actions != ("sync",):  # the order of syncs matters
            self.dice.shuffle(attempts)
        done = 0
        for attempt in attempts:
            done += self._try(attempt)
            if done == most:
                break
        return done


def _asking(expression: str, uuid: bytes) -> Snapshot:
    setting = Setting()
    setting.wanted[uuid] = expression
    return setting.snapshot()


_get, _send, _drop, _drop_here = Network._get, Network._send, Network._drop, Network._drop_here
_pull, _push = Network._pull, Network._push
_ACTIONS: dict[str, tuple[Callable[[Network, str, str], list[Attempt]], ...]] = {
    "getwanted": (_get,),
    "sendwanted": (_send,),
    "dropunwanted": (_drop,),
    "dropunwantedfrom": (_drop,),
    "gitpush": (_push,),
    "gitpull": (_pull,),
    "pull": (_pull, _get, _drop_here),
    "push": (_send, _drop, _push),
    "sync": (_pull, _get, _send, _drop, _push),
}
