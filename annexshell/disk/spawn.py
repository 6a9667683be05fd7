"""Runs other programs: git, hooks, rsync. Never through a shell, unless the owner of the repository configured a shell
command as a hook.

posix_spawn(3) and not `subprocess`, whose import every session would pay for. Our file descriptors, locks among them,
are close-on-exec and don't reach the child.
"""

from __future__ import annotations

import os

# `signal` itself imports enum, which every session would pay for.
from _signal import SIGKILL, SIGPIPE, SIGXFSZ  # type: ignore[import-not-found]

from annexshell.errors import ChildFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Environment = Mapping[bytes, bytes]

# The interpreter ignores these, and an ignored signal would stay ignored in the child.
_RESTORED = (SIGPIPE, SIGXFSZ)

NOWHERE = -1  # in place of a file descriptor


def spawn(
    argv: Sequence[bytes | str],
    env: Environment,
    stdin: int | None = None,
    stdout: int | None = None,
    errors: int | None = None,
    group: int | None = None,
) -> int:
    """Starts a program found on PATH; returns its process id.

    Without `stdin` it reads nothing; without `stdout` it writes to our standard error, since standard output belongs to
    the protocol. Its standard error is ours, or the file `errors`, or NOWHERE. It joins a process `group`, or is the
    first of a new one with 0. Raises ChildFailed.
    """
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
    if stdin is None:
        actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    else:
        actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
    actions.append((os.POSIX_SPAWN_DUP2, 2 if stdout is None else stdout, 1))
    if errors == NOWHERE:
        actions.append((os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0))
    elif errors is not None:
        actions.append((os.POSIX_SPAWN_DUP2, errors, 2))
    more = {} if group is None else {"setpgroup": group}
    _stand_somewhere()
    try:
        return os.posix_spawnp(argv[0], argv, env, file_actions=actions, setsigdef=_RESTORED, **more)  # type: ignore[arg-type]
    except OSError as error:
        raise ChildFailed(f"{os.fsdecode(argv[0])} could not be started: {error.strerror}") from None


def _stand_somewhere() -> None:
    """Leaves a current directory that somebody has deleted, in which git refuses to do anything."""
    try:
        os.getcwdb()
    except FileNotFoundError:
        os.chdir("/")


def is_program(name: bytes, env: Environment) -> bool:
    """Whether the PATH of an environment has a program."""
    directories = env.get(b"PATH", os.defpath.encode()).split(b":")
    return any(os.access(os.path.join(directory, name), os.X_OK) for directory in directories)


def shell_quoted(word: bytes) -> bytes:
    """Quotes a word as one argument for a shell: on another host, or in a hook that the owner has written."""
    return b"'" + word.replace(b"'", b"'\\''") + b"'"


def wait(pid: int) -> int:
    """The exit code of a child; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(argv: Sequence[bytes | str], env: Environment, directory: bytes | None = None) -> int:
    """Runs a program to its end, in a directory, its output on our standard error; returns its exit code."""
    return wait(spawn(in_directory(argv, directory), env))


def output(
    argv: Sequence[bytes | str], env: Environment, errors: int | None = None, directory: bytes | None = None
) -> tuple[int, bytes]:
    """Runs a program and returns its exit code and what it wrote to its standard output."""
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as pipe:
        try:
            pid = spawn(in_directory(argv, directory), env, stdout=writing, errors=errors)
        finally:
            os.close(writing)
        data = pipe.read()
    return wait(pid), data


def in_directory(argv: Sequence[bytes | str], directory: bytes | None) -> Sequence[bytes | str]:
    """A command that runs another one in a directory.

    posix_spawn can't change the directory, so a fixed script of the shell does, given everything as parameters."""
    if directory is None:
        return argv
    return ["sh", "-c", 'cd "$0" && exec "$@"', directory, *argv]


def pipes(count: int) -> list[tuple[int, int]]:
    """So many pipes, each as the end to read from and the end to write to; or none, where there is no file descriptor
    left for one of them. Raises OSError."""
    made: list[tuple[int, int]] = []
    try:
        while len(made) < count:
            made.append(os.pipe())
    except OSError:
        for ends in made:
            for fd in ends:
                os.close(fd)
        raise
    return made


class Piped:
    """A child that answers requests on a pair of pipes, such as `git cat-file --batch`."""

    def __init__(self, argv: Sequence[bytes | str], env: Environment, errors: int | None = None) -> None:
        (child_in, to_child), (from_child, child_out) = pipes(2)
        try:
            self.pid = spawn(argv, env, stdin=child_in, stdout=child_out, errors=errors)
        except ChildFailed:
            os.close(to_child)
            os.close(from_child)
            raise
        finally:
            os.close(child_in)
            os.close(child_out)
        self._stdin = open(to_child, "wb", buffering=0)
        self.stdout = open(from_child, "rb")

    def send(self, data: bytes) -> None:
        """Writes all of `data` to the child. If the child is gone, that shows when its answer is read."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._stdin.write(rest) or 0 :]
        except BrokenPipeError:
            pass

    def kill(self) -> None:
        """Kills the child; to be called before `close` if much of its output has not been read."""
        os.kill(self.pid, SIGKILL)

    def close(self) -> int:
        """Closes the child's input, reads the rest of its output and returns its exit code."""
        self._stdin.close()
        self.stdout.read()
        self.stdout.close()
        return wait(self.pid)
