"""Retention: an object that was locked for a client stays locked for a while, even if the connection or this process
dies.

Upstream: Annex/Content.hs, Annex/Content/LowLevel.hs. `OBJ.rtm` has the time until which it stays, and `OBJ.rtl` is
locked while that is written. It is a time of the wall clock, so that it outlives a reboot.

Upstream, one client that unlocks ends the retention of another that locked before and lost its connection. Here it does
not: this server honours its claims (store.claims), whoever deletes the time stamp. The time stamp is there for
git-annex to see, and is restored wherever a claim is in force without it. Repositories before version 10 know no time
stamps, only our claims.
"""

from __future__ import annotations

import os

from annexshell.disk.clock import BILLION, Clock, Deadline
from annexshell.disk.files import read_file
from annexshell.errors import ContentLocked
from annexshell.store.claims import LONGEST, Claims, parse, serialize
from annexshell.store.oldclaims import add_old_claims, forget_old_claims, has_old_claims

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.durable import Durability
    from annexshell.disk.filelock import FileLocks, Lock
    from annexshell.disk.scratch import Scratch
    from annexshell.store.claims import ClaimsFile, ClaimsFiles
    from annexshell.store.protection import Protection

_PATIENCE = 30.0  # seconds for a lock that is held only for a moment
_DIGITS = 20  # more are not worth computing with


def parse_deadline(text: bytes) -> int | None:
    """The time in a `.rtm` file, in nanoseconds since the epoch, or None for a text that protects nothing.

    As strict as upstream (Utility/TimeStamp.hs): digits, perhaps a plus before them, a fraction and an `s` behind them;
    a newline makes it void. Of a number that nobody will live to see only the first digits count.
    """
    whole, point, fraction = text.removesuffix(b"s").removeprefix(b"+").partition(b".")
    if not whole.isdigit() or (point and not fraction.isdigit()):
        return None
    seconds = int(whole.lstrip(b"0")[:_DIGITS] or b"0")
    return seconds * BILLION + int(fraction[:9].ljust(9, b"0"))


def format_deadline(deadline: int) -> bytes:
    """The text for a time in nanoseconds: without a newline, which would make it void."""
    whole, fraction = divmod(deadline, BILLION)
    return b"%d.%09ds" % (whole, fraction) if fraction else b"%ds" % whole


class Retention:
    """Begins, honours and ends the retention of objects."""

    def __init__(
        self,
        locks: FileLocks,
        protection: Protection,
        scratch: Scratch,
        durability: Durability,
        files: ClaimsFiles,
        clock: Clock | None = None,
    ) -> None:
        self._locks = locks
        self._protection = protection
        self._scratch = scratch
        self._durability = durability
        self._files = files
        self._clock = clock or Clock()

    def begin(self, path: bytes) -> int:
        """Begins to retain the object at `path`, and returns the name of the claim. The caller holds the content lock.

        On return the claim is on disk, because a client relies on it even if the power fails.
        """
        with self._files.create(path) as file, self._stamping(path):
            existing = self._read(path)
            claims = self._load(path, file)
            stamp = claims.stamp
            deadline = self._clock.after(LONGEST)
            name = claims.add(deadline, taken=existing)
            deadline.wall = name  # lest its time stamp be taken for another's
            try:
                self._stamp(path, file, claims, existing)
            except BaseException:
                claims.stamp = stamp
                _withdraw(file, claims, name)
                raise
        return name

    def begin_unstamped(self, path: bytes) -> int:
        """The same in a repository that knows no time stamps."""
        with self._files.create(path) as file:
            claims = file.load(self._clock)
            name = claims.add(self._clock.after(LONGEST))
            try:
                file.write(claims, durably=True)
            except BaseException:
                _withdraw(file, claims, name)
                raise
        return name

    def release(self, path: bytes, name: int) -> None:
        """Ends the claim that `begin` returned. The caller holds the content lock, and calls `settle` afterwards where
        there are time stamps. Raises FileNotFoundError if no claim is left."""
        with self._open(path) as file:
            claims = self._load(path, file)
            claims.held.pop(name, None)
            file.write(claims)
            if not claims.held and not claims.stamp:
                file.delete()

    def refuse(self, path: bytes) -> bool:
        """Raises ContentLocked while the object is retained; returns whether any file says that it was. Takes no lock,
        so an object that is about to be locked, or has just been unlocked, may count as retained."""
        data, text = self._files.read(path), read_file(path + b".rtm")
        claims = self._parse(data)
        existing = None if text is None else parse_deadline(text)
        is_old = has_old_claims(path)
        if is_old:
            add_old_claims(path, claims, existing, self._clock)
        if claims.held or self._is_in_force(existing, claims):
            raise ContentLocked("content is locked: a client that lost its connection may still rely on it")
        return data is not None or text is not None or is_old

    def is_settled(self, path: bytes) -> bool:
        """Whether nothing has to be corrected, as far as can be told without a lock: the file of claims is right by the
        present clocks, and the time stamp is no earlier than the claims."""
        data = self._files.read(path)
        claims = self._parse(data)
        is_current = data is None or data == serialize(claims)
        return is_current and not has_old_claims(path) and claims.latest() <= (self._read(path) or 0)

    def expire(self, path: bytes) -> None:
        """Deletes the file of claims if all of them are over, and no time stamp of ours is left either."""
        try:
            file = self._files.open(path)
        except FileNotFoundError:
            return
        with file:
            claims = file.load(self._clock)
            file.write(claims)
            if not claims.held and self._read(path) is None:
                file.delete()

    def refresh(self, path: bytes) -> None:
        """Rewrites the file of claims by the present clocks, so that a damaged one is over some day."""
        with self._files.open(path) as file:
            file.write(file.load(self._clock))

    def restore(self, path: bytes) -> None:
        """Restores the time stamp if it is missing or earlier than the claims. The caller holds the content lock."""
        try:
            file = self._open(path)
        except FileNotFoundError:
            return
        with file, self._stamping(path):
            existing = self._read(path)
            self._stamp(path, file, self._load(path, file), existing)

    def settle(self, path: bytes) -> None:
        """Ends the retention if no claim is left; otherwise makes the time stamp agree with the claims. The time stamp
        of another program stays. The caller holds the content lock exclusively."""
        existing = self._read(path)
        # Nobody adds a claim while the content is locked exclusively: to see that there is none takes no more locks.
        claims = self._parse(self._files.read(path))
        if claims.held or has_old_claims(path):
            claims = self._settled(path, existing)
        if claims.held:
            return
        if self._is_in_force(existing, claims):
            self._files.delete(path)
        else:
            self.forget(path)

    def _settled(self, path: bytes, existing: int | None) -> Claims:
        """The claims, with which the time stamp agrees then if there are any."""
        try:
            file = self._open(path)
        except FileNotFoundError:  # all of them are over just now
            return Claims(0, {})
        with file:
            claims = self._load(path, file)
            if claims.held:
                stays = self._is_in_force(existing, claims) or existing == claims.latest()
                self._stamp(path, file, claims, existing if stays else None)
            return claims

    def forget(self, path: bytes) -> None:
        """Deletes the files of a retention that is over. The caller holds the content lock exclusively."""
        self._protection.unlink(path + b".rtm")
        self._protection.unlink(path + b".rtl")
        self._files.delete(path)

    def _parse(self, data: bytes | None) -> Claims:
        return Claims(0, {}) if data is None else parse(data, self._clock)

    def _open(self, path: bytes) -> ClaimsFile:
        try:
            return self._files.open(path)
        except FileNotFoundError:
            if not has_old_claims(path):
                raise
            return self._files.create(path)

    def _stamping(self, path: bytes) -> Lock:
        """The lock under which everybody writes the time stamp."""
        rtl = path + b".rtl"
        return self._protection.thawed(os.path.dirname(path), lambda: self._locks.exclusive(rtl, _PATIENCE), True)

    def _load(self, path: bytes, file: ClaimsFile) -> Claims:
        """The claims, after those of old versions have been moved to them."""
        claims = file.load(self._clock)
        if has_old_claims(path):
            add_old_claims(path, claims, self._read(path), self._clock)
            file.write(claims, durably=True)
            forget_old_claims(path)
        return claims

    def _stamp(self, path: bytes, file: ClaimsFile, claims: Claims, existing: int | None) -> None:
        """Writes the claims, and the time stamp if it is earlier than they are. If that replaces a time stamp of
        another program that is in force, it becomes a claim, which ends by itself.

        Only one of the two files is flushed: the time stamp if it is written, since everybody honours it. If the power
        fails before the claims are on disk too, most file systems leave an empty file, which counts as damaged.
        """
        wall = claims.latest()
        is_earlier = existing is None or existing < wall
        if existing is not None and is_earlier and self._is_in_force(existing, claims):
            now = self._clock.after(0)
            claims.add(Deadline(existing, now.boot + existing - now.wall, now.boot_id))
        if is_earlier:
            claims.stamp = wall
        file.write(claims, durably=not is_earlier)
        if is_earlier:
            self._write(path, wall)

    def _write(self, path: bytes, deadline: int) -> None:
        directory = os.path.dirname(path)
        text = format_deadline(deadline)
        self._protection.thawed(directory, lambda: self._scratch.replace(path + b".rtm", text), is_thawed=True)
        self._durability.directories((directory,))

    def _is_in_force(self, existing: int | None, claims: Claims) -> bool:
        """Whether a time stamp of another program retains the object. A time stamp that was written for claims does not
        count by itself, since unlocking ends the claim first."""
        return existing is not None and existing != claims.stamp and existing >= self._clock.wall()

    def _read(self, path: bytes) -> int | None:
        text = read_file(path + b".rtm")
        return None if text is None else parse_deadline(text)


def _withdraw(file: ClaimsFile, claims: Claims, name: int) -> None:
    """Takes back a claim that could not be recorded: its client is refused, and nobody would end it."""
    del claims.held[name]
    file.revert(claims)
