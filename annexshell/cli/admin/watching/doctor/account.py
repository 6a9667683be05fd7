"""Whether sshd can run git-annex-shell as this account. The checks are pure; `look` gathers what they need.

sshd has the account's login shell run a forced command, with -c. That shell is not interactive and often has another
PATH than one that somebody logs in to.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from stat import S_IMODE

from annexshell.cli.admin.access.forced import PROGRAM, heeds_environment
from annexshell.cli.admin.watching.doctor.finding import ERROR, OK, WARNING, Finding
from annexshell.disk.spawn import output
from annexshell.errors import ChildFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PATH = "/usr/local/bin:/usr/bin:/bin"  # roughly what sshd sets if nobody else does
_LIMIT = 10.0  # seconds for the shell's start-up files, and for a program to print its version
_WRITABLE_BY_GROUP, _WRITABLE_BY_ALL = 0o020, 0o002
_NOT_STARTED = (126, 127)  # what shells and env(1) exit with if they can't start a program
_NO_SHELLS = ("nologin", "false", "true", "sync")


class Guarded:
    """A file or directory that sshd wants nobody else to be able to change."""

    __slots__ = ("mode", "owner", "path")

    def __init__(self, path: str, owner: int, mode: int) -> None:
        self.path = path
        self.owner = owner
        self.mode = mode


class Account:
    """Facts. `path` is the PATH of a forced command; `said` is what the shell's start-up files print before it. `shell`
    is empty for an account that the system does not know, as in containers."""

    __slots__ = ("guarded", "name", "path", "said", "shell", "uid")

    def __init__(self, uid: int, shell: str, path: str, said: str, guarded: list[Guarded], name: str = "") -> None:
        self.uid = uid
        self.name = name or str(uid)
        self.shell = shell
        self.path = path
        self.said = said
        self.guarded = guarded

    def which(self, program: str) -> str | None:
        """The path at which a forced command finds a program; None if it does not."""
        return shutil.which(program, path=self.path)

    def trouble(self, program: str) -> str:
        """Why a forced command can't start a git-annex-shell (ours or the original), and what to do; empty if it
        can."""
        path = self.which(program)
        if path is None:
            if not os.path.isabs(program):
                return f"a forced command does not find {program}; write its whole path"
            if os.path.exists(program):
                return f"this account may not run {program}; use: chmod 755 {program}, as root or as its owner"
            closed = _closed_above(program)
            if closed:
                return f"this account may not enter {closed}; use: chmod o+x {closed}, as root or as its owner"
            return f"{program} is not there; install it, or have annexshell authorized-keys write the line again"
        try:
            done = subprocess.run(
                [path, "--version"],
                env={**os.environ, "PATH": self.path},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LIMIT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{path} does not start: {error}; install it again"
        said = os.fsdecode(done.stderr).strip()
        if done.returncode in _NOT_STARTED or "Traceback" in said:
            reason = said.rpartition("\n")[2]
            return f"{path} does not start: {reason}; install it again, for this account too"
        return ""

    def git_version(self) -> str:
        """The version of the git that forced commands find, such as 2.39.5; empty if they find none."""
        path = self.which("git")
        if path is None:
            return ""
        return git_version(path)


def _closed_above(path: str) -> str:
    """The topmost directory above a path that we may not enter; empty if we may enter all."""
    parts = path.split("/")[1:-1]
    above = ["/" + "/".join(parts[: number + 1]) for number in range(len(parts))]
    return next(
        (directory for directory in above if os.path.isdir(directory) and not os.access(directory, os.X_OK)), ""
    )


def git_version(program: str) -> str:
    """The version that a git prints, such as 2.39.5. Raises ChildFailed."""
    return os.fsdecode(output([program, "version"], os.environb)[1]).removeprefix("git version ").strip()


def look(home: str) -> Account:
    """Looks at the account that we run as. Raises ChildFailed if its shell does not run commands."""
    try:
        user = pwd.getpwuid(os.geteuid())
    except KeyError:
        return Account(os.geteuid(), "", _PATH, "", [])
    shell = user.pw_shell or "/bin/sh"
    guarded = []
    for path in (home, f"{home}/.ssh", f"{home}/.ssh/authorized_keys"):
        if os.path.isdir(home) and os.path.exists(path):
            info = os.stat(path)
            guarded.append(Guarded(path, info.st_uid, S_IMODE(info.st_mode)))
    path, said = _PATH, ""
    if _runs_commands(shell):
        env = {"HOME": home, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": shell, "PATH": _system_path()}
        env |= {"SSH_CLIENT": "::1 1 22", "SSH_CONNECTION": "::1 1 ::1 22"}
        said = _run(shell, ":", env)
        path = _path_in(_run(shell, "/usr/bin/env", env)) or _PATH
    return Account(user.pw_uid, shell, path, said, guarded, user.pw_name)


def _runs_commands(shell: str) -> bool:
    return os.path.basename(shell) not in (*_NO_SHELLS, PROGRAM) and os.access(shell, os.X_OK)


def _run(shell: str, command: str, env: dict[str, str]) -> str:
    """Runs a command as sshd would, and returns what the shell and the command print."""
    try:
        done = subprocess.run(
            [shell, "-c", command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ChildFailed(f"{shell} takes over {_LIMIT:.0f} seconds to start: look at its start-up files") from None
    return os.fsdecode(done.stdout)


def _system_path() -> str:
    """The PATH that PAM sets from /etc/environment, or else sshd."""
    try:
        with open("/etc/environment") as file:
            return _path_in(file.read().replace('"', "")) or _PATH
    except (OSError, UnicodeError):
        return _PATH


def _path_in(variables: str) -> str | None:
    return next((line[5:] for line in variables.splitlines() if line.startswith("PATH=")), None)


def check_shell(account: Account, forced_commands: bool) -> Iterator[Finding]:
    """The login shell, and what its start-up files print: clients take that for the beginning of the protocol, and
    fail. git-annex-shell can be the login shell only if no key has a forced command, since it would not run that."""
    name = os.path.basename(account.shell)
    remedy = f"use: chsh -s /bin/sh {account.name}, as root"
    if not account.shell:
        text = f"the account {account.name} has no entry in /etc/passwd: nobody gets in over ssh"
        yield Finding("shell", OK, text)
    elif name in _NO_SHELLS and not forced_commands:
        text = f"{account.shell}: nobody gets in over ssh; if somebody should, {remedy}"
        yield Finding("shell", OK, text)
    elif name in _NO_SHELLS or not os.access(account.shell, os.X_OK):
        yield Finding("shell", ERROR, f"{account.shell} can't run commands for sshd; {remedy}")
    elif name == PROGRAM and forced_commands:
        text = f"it is {PROGRAM}, which can't run the commands in authorized_keys; {remedy}"
        yield Finding("shell", ERROR, text)
    elif account.said:
        text = f"its start-up files write {account.said[:40]!r}, which breaks the protocol"
        yield Finding("shell", ERROR, f"{text}; have them write only if the shell is interactive")
    else:
        yield Finding("shell", OK, account.shell)


def check_path(account: Account) -> Iterator[Finding]:
    """Whether forced commands find git and git-shell: where people have installed a git of their own, they may not."""
    for program, what in (("git", "nothing"), ("git-shell", "neither git push nor git fetch")):
        found = account.which(program)
        if found is None:
            text = f"{program} is not in the PATH of a forced command ({account.path}), so that {what} works"
            yield Finding("path", ERROR, f"{text}; as root, set PATH in /etc/environment, or install git for all")
        else:
            yield Finding("path", OK, found)


def check_git(version: str, lines: list[int]) -> Iterator[Finding]:
    """Whether git is new enough for `lines` of authorized_keys, whose restrictions git has to read from its
    environment."""
    if lines and not heeds_environment(version):
        where = f"line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))} of authorized_keys"
        text = f"git {version} ignores what {where} tells it, so that pushes get round --read-only and --append-only"
        yield Finding("git", ERROR, f"{text}; use git 2.31 or newer, or add --limited to these keys")
    elif version:
        yield Finding("git", OK, version)


def check_permissions(account: Account) -> Iterator[Finding]:
    """sshd ignores authorized_keys if somebody else could have changed it (StrictModes)."""
    for each in account.guarded:
        if each.owner not in (account.uid, 0):
            text = f"{each.path} belongs to another account, so that sshd ignores it;"
            text += f" use: chown {account.name} {each.path}, as root"
            yield Finding("ssh-permissions", ERROR, text)
        elif each.mode & _WRITABLE_BY_ALL:
            text = f"everybody may write to {each.path}, so that sshd ignores the keys; use: chmod go-w {each.path}"
            text += "" if each.owner else ", as root"
            yield Finding("ssh-permissions", ERROR, text)
        elif each.mode & _WRITABLE_BY_GROUP:  # Debian's sshd allows a group of which the user is the only member
            text = f"a group may write to {each.path}, for which most sshds ignore the keys; use: chmod g-w {each.path}"
            text += "" if each.owner else ", as root"
            yield Finding("ssh-permissions", WARNING, text)
        else:
            yield Finding("ssh-permissions", OK, each.path)
