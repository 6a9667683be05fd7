"""git, as a program: the one place that knows how it is called.

Every call names the git directory, so that nothing is searched for and git's check of who owns it does not apply, as
with the original (Git/Command.hs).
"""

from __future__ import annotations

import os

from annexshell.disk.spawn import NOWHERE, Piped, output, spawn, wait
from annexshell.disk.spawn import run as run_program
from annexshell.errors import ChildFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from annexshell.disk.spawn import Environment


def with_config(env: Environment, settings: Iterable[tuple[bytes, bytes]]) -> Environment:
    """An environment in which git has more settings, besides those that it has there already (git-config(1):
    GIT_CONFIG_COUNT, which git before 2.31 does not know)."""
    count = env.get(b"GIT_CONFIG_COUNT") or b"0"
    if not count.isdigit() or len(count) > 9:
        return env  # git itself will complain
    first = int(count)
    pairs = list(settings)
    more = {b"GIT_CONFIG_COUNT": b"%d" % (first + len(pairs))}
    for number, (name, value) in enumerate(pairs, first):
        more |= {b"GIT_CONFIG_KEY_%d" % number: name, b"GIT_CONFIG_VALUE_%d" % number: value}
    return {**env, **more}


def trusts(directory: bytes, env: Environment) -> bool:
    """Whether git works in a directory without being told the git directory. It does not where somebody else owns it,
    unless safe.directory allows it. safe.bareRepository is set aside here: that git may not find bare repositories by
    itself says nothing about their owner."""
    argv: list[bytes | str] = ["git", "-c", "safe.bareRepository=all", "-C", directory, "rev-parse", "--git-dir"]
    return output(argv, env, errors=NOWHERE)[0] == 0


_LARGEST = 1 << 26  # bytes; a longer log, which anybody may push, must not fill our memory
_PIECE = 1 << 16


def for_hooks(env: Environment, bare: bool) -> Environment:
    """The environment for programs of a repository's owner, which call git without naming the repository: in it, git
    finds a bare repository whatever safe.bareRepository says."""
    return with_config(env, [(b"safe.bareRepository", b"all")]) if bare else env


class Git:
    """Runs git for one repository. `env` is the environment of its children."""

    def __init__(self, git_dir: bytes, env: Environment) -> None:
        self.git_dir = git_dir
        self.env = env
        self._reader: Piped | None = None

    def argv(self, *args: bytes | str) -> list[bytes | str]:
        return ["git", b"--git-dir=" + self.git_dir, *args]

    def run(self, *args: bytes | str) -> int:
        """Runs git, its output on our standard error; returns its exit code."""
        return run_program(self.argv(*args), self.env)

    def output(self, *args: bytes | str, errors: int | None = None) -> bytes:
        """What git writes to its standard output; `errors` as in disk.spawn. Raises ChildFailed when it fails."""
        code, data = output(self.argv(*args), self.env, errors)
        if code != 0:
            raise ChildFailed(f"git {args[0]!s} failed with exit code {code}")
        return data

    def succeeds(self, *args: bytes | str) -> bool:
        """Whether git exits with 0; what it prints goes nowhere."""
        return output(self.argv(*args), self.env, NOWHERE)[0] == 0

    def start(self, *args: bytes | str, env: Environment | None = None, errors: int | None = None) -> Piped:
        """Starts git, with pipes to its standard input and from its standard output."""
        return Piped(self.argv(*args), {**self.env, **(env or {})}, errors)

    def committer(self) -> bytes:
        """The committer and the time, as `Name <email> time zone`. If git knows no name, one is made up and used from
        now on, so that a server needs no set-up (Annex/Environment.hs)."""
        try:
            return self._committer()
        except ChildFailed:
            email = b"git-annex-shell@" + os.fsencode(os.uname().nodename)
            invented = {b"NAME": b"git-annex-shell", b"EMAIL": email}
            who = {
                b"GIT_%b_%b" % (role, what): invented[what] for role in (b"AUTHOR", b"COMMITTER") for what in invented
            }
            self.env = {**self.env, **who}
            return self._committer()

    def _committer(self) -> bytes:
        return self.output("var", "GIT_COMMITTER_IDENT", errors=NOWHERE).rstrip(b"\n")

    def object(self, name: bytes, kind: bytes = b"") -> tuple[bytes, bytes] | None:
        """The id and content of the object that `name` resolves to now; None if there is none, or one of another
        `kind`. Raises ChildFailed, also for an object that is larger than any log."""
        if b"\n" in name:  # a key in the path of a log may contain one
            code, found = output(self.argv("rev-parse", "--verify", "--quiet", name), self.env, NOWHERE)
            return self.object(found.rstrip(b"\n"), kind) if code == 0 else None
        reader = self._batch()
        reader.send(name + b"\n")
        header = reader.stdout.readline()
        words = header.split()
        if header.endswith((b" missing\n", b" ambiguous\n")) or len(words) != 3:
            if not header:
                raise ChildFailed("git cat-file ended unexpectedly")
            return None
        size = int(words[2])
        if size > _LARGEST:
            reader.kill()
            self.close()
            raise ChildFailed(f"an object of {size} bytes is in the place of a log in the git-annex branch")
        data = reader.stdout.read(size)
        reader.stdout.read(1)
        return (words[0], data) if kind in (b"", words[1]) else None

    def contents(self, ids: Sequence[bytes]) -> Iterator[bytes]:
        """The content of each of many git objects, in order; empty for a missing one. Raises ChildFailed."""
        asked = os.memfd_create("ids")
        reading, writing = os.pipe()
        try:
            with open(asked, "wb", closefd=False) as file:
                file.writelines(name + b"\n" for name in ids)
            os.lseek(asked, 0, os.SEEK_SET)
            pid = spawn(self.argv("cat-file", "--batch=%(objectsize)", "--buffer"), self.env, asked, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            os.close(asked)
        try:
            with open(reading, "rb", buffering=1 << 16) as pipe:
                for _ in ids:
                    yield _next_content(pipe)
        finally:
            wait(pid)

    def _batch(self) -> Piped:
        if self._reader is None:
            self._reader = Piped(self.argv("cat-file", "--batch"), self.env)
        return self._reader

    def close(self) -> None:
        """Ends the child that reads objects, if there is one."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _next_content(pipe: BinaryIO) -> bytes:
    header = pipe.readline()
    if not header:
        raise ChildFailed("git cat-file ended unexpectedly")
    if not header.rstrip(b"\n").isdigit():
        return b""
    size = int(header)
    data = pipe.read(min(size, _LARGEST))
    rest = size - len(data) + 1
    while rest > 0 and (piece := pipe.read(min(rest, _PIECE))):
        rest -= len(piece)
    return data if size <= _LARGEST else b""
