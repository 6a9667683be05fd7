"""Logging in: few checks of passwords at once, none twice within a minute, and failures answered late.

A check of bcrypt takes a processor for tenths of seconds, so that it is done in a thread, and the outcome remembered.
Who guesses passwords waits longer after each failure, in sight of the server: what he may have under way at once is
limited too. Nobody is locked out by what others try, and who is known to be right is never kept waiting.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from annexshell.errors import TooManyLogins
from annexshell.serve.http.htpasswd import matches_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.green.tasks import News, Tasks
    from annexshell.serve.http.htpasswd import Passwords

_REMEMBERED = 60.0  # seconds
_MAX_REMEMBERED = 4096  # outcomes of each kind
_CHECKS = 64  # that wait for the processor
_CHECKS_EACH = 4  # of one address, until they are answered
_WAITERS = 256  # who are answered late
_FIRST_DELAY, _LONGEST_DELAY = 0.25, 8.0  # seconds
_FORGOTTEN = 600.0  # seconds after the last failure
_MAX_FAILING = 10000  # addresses and users whose failures are counted


class Logins:
    """Says whether passwords are right, for all clients of one process. Waits with `tasks`, whose threads are for
    nothing else."""

    def __init__(self, passwords: Passwords, tasks: Tasks, throttle: Throttle | None = None) -> None:
        self._passwords = passwords
        self._tasks = tasks
        self._secret = os.urandom(32)
        self._right = _Memory()
        self._wrong = _Memory()
        self._checking: dict[bytes, News] = {}
        self._throttle = throttle or Throttle(tasks.news().wait)
        self._queue = 0

    @property
    def possible(self) -> bool:
        """Whether anybody can log in."""
        return self._passwords.any

    def check(self, user: bytes, password: bytes, address: str) -> bool:
        """Whether a user of that password exists. May wait for seconds. Raises TooManyLogins."""
        lot = int.from_bytes(self._digest(user)[:8], "big")
        hashed, is_his = self._passwords.hash_for(user, lot)
        attempt = self._digest(user, hashed, b"his" if is_his else b"", password)  # another hash makes it another one
        while not self._right.has(attempt):
            if self._wrong.has(attempt):
                return False  # whoever repeats it learns nothing from that
            if attempt not in self._checking:
                return self._first_check(attempt, address, user, lambda: self._is_right(user, password, hashed, is_his))
            self._checking[attempt].wait()
        return True

    def _first_check(self, attempt: bytes, address: str, user: bytes, is_right: Callable[[], bool]) -> bool:
        """Checks what others who ask the same will wait for."""
        self._throttle.begin(address)
        self._checking[attempt] = self._tasks.news()
        try:
            right = is_right()
            if not right:
                self._throttle.fail(address, user)
            (self._right if right else self._wrong).add(attempt)
            return right
        finally:
            self._throttle.end(address)
            self._checking.pop(attempt).tell()

    def _is_right(self, user: bytes, password: bytes, hashed: bytes, is_his: bool) -> bool:
        if self._passwords.is_plain(user, password):
            return True
        if not hashed:
            return False
        if self._queue >= _CHECKS:
            raise TooManyLogins("too many log in at the moment; try again later")
        self._queue += 1
        try:
            return self._tasks.offload(lambda: matches_hash(password, hashed)) and is_his
        finally:
            self._queue -= 1

    def _digest(self, *parts: bytes) -> bytes:
        """Stands for a secret in memory. Without the key, that no other process has, nothing can be guessed by it."""
        mixed = hashlib.blake2b(key=self._secret)
        for part in parts:
            mixed.update(b"%d:" % len(part))
            mixed.update(part)
        return mixed.digest()


class _Memory:
    """What was seen in the last minute."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, float] = OrderedDict()  # to monotonic seconds

    def has(self, what: bytes) -> bool:
        """Seeing it again keeps it for another minute."""
        if time.monotonic() - self._seen.pop(what, float("-inf")) > _REMEMBERED:
            return False
        self.add(what)
        return True

    def add(self, what: bytes) -> None:
        self._seen[what] = time.monotonic()
        if len(self._seen) > _MAX_REMEMBERED:
            self._seen.popitem(last=False)


class Throttle:
    """Slows those who guess: by address, and by the user that they guess at. An empty address is nobody's. `wait` waits
    for so many seconds."""

    def __init__(self, wait: Callable[[float], object]) -> None:
        self._wait = wait
        self._failures: OrderedDict[tuple[str, bytes], tuple[int, float]] = OrderedDict()  # to number and time of last
        self._under_way: dict[str, int] = {}
        self._waiting = 0

    def begin(self, address: str) -> None:
        """Before an attempt. Raises TooManyLogins."""
        network = _network(address)
        count = self._under_way.get(network, 0)
        if network and count >= _CHECKS_EACH:
            raise TooManyLogins("too many of your logins are being checked; try again later")
        self._under_way[network] = count + 1

    def end(self, address: str) -> None:
        """After it."""
        network = _network(address)
        self._under_way[network] -= 1
        if not self._under_way[network]:
            del self._under_way[network]

    def fail(self, address: str, user: bytes) -> None:
        """Notes that it failed, and waits."""
        network = _network(address)
        count = self._count(("user", user[:100]))
        if network:
            count = max(count, self._count((network, b"")))
        if self._waiting >= _WAITERS:
            return  # too many are to blame
        self._waiting += 1
        try:
            self._wait(min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(count - 1, 10)))
        finally:
            self._waiting -= 1

    def _count(self, who: tuple[str, bytes]) -> int:
        """Counts a failure; how many there were in a row."""
        count, last = self._failures.pop(who, (0, 0.0))
        now = time.monotonic()
        count = count + 1 if now - last < _FORGOTTEN else 1
        self._failures[who] = count, now
        if len(self._failures) > _MAX_FAILING:
            self._failures.popitem(last=False)
        return count


def _network(address: str) -> str:
    """What stands for one client: of IPv6 everybody has 2**64 addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) else address
