"""Logging in: few checks of passwords at once, none twice within a minute, and failures answered late.

A check of bcrypt takes a processor for tenths of seconds, so that it is done in a thread, and the outcome remembered.
Who guesses passwords is answered later after each failure, and of one address few attempts are under way at once, so
that it is of no use not to wait for answers. Nobody is locked out by what others try, and who is known to be right is
never kept waiting.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from contextlib import contextmanager
from threading import get_native_id

from annexshell.errors import TooManyLogins
from annexshell.model.address import network_of
from annexshell.serve.http.access.htpasswd import matches_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from annexshell.green.tasks import News, Tasks
    from annexshell.serve.http.access.htpasswd import Passwords

_NICE = 5  # of threads that check
_REMEMBERED = 60.0  # seconds
_MAX_REMEMBERED = 4096  # outcomes of each kind
_CHECKS = 1000  # that wait for the processor: after a restart all users log in anew
_ATTEMPTS_EACH = 4  # of one address at once, from the check to the answer
_QUEUE_EACH = 100  # further ones that wait for their turn
_LATE = 256  # failures that are being answered late
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
        self._throttle = throttle or Throttle(tasks)
        self._queue = 0

    @property
    def possible(self) -> bool:
        """Whether anybody can log in."""
        return self._passwords.any

    def hurry(self) -> None:
        """Answers failures at once from now on, since the server is to stop."""
        self._throttle.hurry()

    def check(self, user: bytes, password: bytes, address: str) -> bool:
        """Whether a user of that password exists. May wait for seconds. Raises TooManyLogins."""
        hashed = self._passwords.hash_of(user)
        is_his = bool(hashed)
        if not is_his:
            hashed = self._passwords.hash_by_lot(int.from_bytes(self._digest(user)[:8], "big"))
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
        self._checking[attempt] = self._tasks.news()
        try:
            with self._throttle.turn(address):
                right = is_right()
                if not right:
                    self._throttle.fail(address, user)
            (self._right if right else self._wrong).add(attempt)
            return right
        finally:
            self._checking.pop(attempt).tell()

    def _is_right(self, user: bytes, password: bytes, hashed: bytes, is_his: bool) -> bool:
        if self._passwords.is_plain(user, password):
            return True
        if not hashed:
            return False
        if self._queue >= _CHECKS:
            raise TooManyLogins("too many logins at the moment; try again later")
        self._queue += 1
        try:
            return self._tasks.offload(lambda: _check(password, hashed)) and is_his
        finally:
            self._queue -= 1

    def _digest(self, *parts: bytes) -> bytes:
        """Stands for a secret in memory. Without the key, that no other process has, nothing can be guessed by it."""
        mixed = hashlib.blake2b(key=self._secret)
        for part in parts:
            mixed.update(b"%d:" % len(part))
            mixed.update(part)
        return mixed.digest()


def _check(password: bytes, hashed: bytes) -> bool:
    """To be done in a thread, which makes room there for the requests of others."""
    try:
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)
    except PermissionError:  # a sandbox may think that this takes a privilege
        pass
    return matches_hash(password, hashed)


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


class _Line:
    """The attempts of one address."""

    def __init__(self, left: News) -> None:
        self.left = left  # tells that one is over
        self.under_way = 0
        self.waiting = 0


class Throttle:
    """Slows those who guess: by address, and by the user that they guess at. An empty address is nobody's. `wait` waits
    for so many seconds, unless they are not worth it any more."""

    def __init__(self, tasks: Tasks, wait: Callable[[float], object] | None = None) -> None:
        self._tasks = tasks
        self._end = tasks.news()
        self._wait = wait or self._end.wait
        self._failures: OrderedDict[tuple[str, bytes], tuple[int, float]] = OrderedDict()  # to number and time of last
        self._lines: dict[str, _Line] = {}
        self._late = 0
        self._hurries = False

    def hurry(self) -> None:
        """Ends all waiting for good."""
        self._hurries = True
        self._end.tell()

    @contextmanager
    def turn(self, address: str) -> Iterator[None]:
        """For one attempt, when it is its turn. Raises TooManyLogins."""
        network = network_of(address)
        if network not in self._lines:
            self._lines[network] = _Line(self._tasks.news())
        line = self._lines[network]
        if line.waiting >= _QUEUE_EACH:
            raise TooManyLogins("too many of your logins are being checked; try again later")
        line.waiting += 1
        try:
            while network and line.under_way >= _ATTEMPTS_EACH:
                line.left.wait()
        finally:
            line.waiting -= 1
        line.under_way += 1
        try:
            yield
        finally:
            line.under_way -= 1
            line.left.tell()
            if not line.under_way and not line.waiting:
                del self._lines[network]

    def fail(self, address: str, user: bytes) -> None:
        """Notes that it failed, and waits."""
        network = network_of(address)
        count = self._count(("user", user[:100]))
        if network:
            count = max(count, self._count((network, b"")))
        if self._hurries or self._late >= _LATE:
            return
        self._late += 1
        try:
            self._wait(min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(count - 1, 10)))
        finally:
            self._late -= 1

    def _count(self, who: tuple[str, bytes]) -> int:
        """Counts a failure; how many there were in a row."""
        count, last = self._failures.pop(who, (0, 0.0))
        now = time.monotonic()
        count = count + 1 if now - last < _FORGOTTEN else 1
        self._failures[who] = count, now
        if len(self._failures) > _MAX_FAILING:
            self._failures.popitem(last=False)
        return count
