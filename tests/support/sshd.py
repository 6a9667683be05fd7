"""A private sshd on loopback, whose accounts are lines of authorized_keys with a forced command.

Every account has a key and a host name of its own, which mean something only to the ssh configuration made here: a
url such as ssh://a1/srv/repo says with which restrictions a client comes. Works as root and as an ordinary user, who
can log in as nobody else. `ssh_directory` goes first on a client's PATH: its `ssh` reads that configuration, for git
as for git-annex, which would ignore GIT_SSH_COMMAND.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.ports import free_port

SSHD = Path("/usr/sbin/sshd")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_PATIENCE = 10.0  # seconds until sshd has to answer
_ATTEMPTS = 5  # somebody else may take the free port that we found

# bash would read the start-up file of whoever runs the tests.
_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitUserRC no
PrintMotd no
PrintLastLog no
MaxStartups 200:30:400
MaxSessions 100
SetEnv HOME={directory}/nobody
"""

# Any other host is unreachable, which is how `git annex testremote` imagines a host that it makes up.
_CLIENT = """\
Include {directory}/accounts
Host *
    Port {port}
    User {user}
    ProxyCommand false
    HostKeyAlias server
    UserKnownHostsFile {directory}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    IdentitiesOnly yes
    BatchMode yes
    KexAlgorithms curve25519-sha256
    LogLevel ERROR
"""
_ACCOUNT = """\
Host {host}
    HostName 127.0.0.1
    ProxyCommand none
    IdentityFile {key}
"""
# An account's sessions share a connection, which is made beforehand: a connection takes far longer than a session.
_SHARED = """\
    ControlMaster auto
    ControlPath {socket}
    ControlPersist 60
"""
_LONGEST_SOCKET = 90  # bytes; ssh adds some for a temporary name, and the system takes 107


def missing() -> str:
    """What keeps us from running an sshd here, as a reason to skip; empty if nothing does."""
    for program in (str(SSHD), "ssh", "ssh-keygen"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    shell = pwd.getpwuid(os.getuid()).pw_shell
    if Path(shell).name in ("nologin", "false"):
        return f"our account has no shell to run a forced command (it has {shell})"
    return ""


class Account:
    """A line of authorized_keys: whoever comes with its key gets its forced command, and `home` as HOME."""

    def __init__(self, host: str, home: Path, ssh: Path, shared: bool) -> None:
        self.host = host
        self.home = home
        self._ssh = ssh
        self._shared = shared
        if shared:
            self._control("-M", "-N", "-f", host)

    def close(self) -> None:
        """Ends the connection that the account's sessions share."""
        if self._shared:
            self._control("-O", "exit", self.host)

    def _control(self, *args: str) -> None:
        argv: list[str | Path] = [self._ssh, *args]
        subprocess.run(argv, timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def url(self, path: Path | str) -> str:
        """The url of a directory; relative to the home directory if it does not begin with a slash."""
        text = str(path)
        return f"ssh://{self.host}{text}" if text.startswith("/") else f"{self.host}:{text}"

    def run(self, command: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Sends a command as it is, as a client that means harm would."""
        return subprocess.run([self._ssh, "--", self.host, command], input=data, capture_output=True, timeout=30)


class Sshd:
    """The server; `stop` it. One is enough for all tests."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ssh_directory = directory / "bin"
        self._accounts = 0
        self._make_key(directory / "host_key")
        (directory / "authorized_keys").touch()
        (directory / "accounts").touch()
        public = (directory / "host_key.pub").read_text().split()
        (directory / "known_hosts").write_text(f"server {public[0]} {public[1]}\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's privilege separation wants it
        self._process, port = self._start()
        user = pwd.getpwuid(os.getuid()).pw_name
        config = directory / "ssh_config"
        config.write_text(_CLIENT.format(directory=directory, port=port, user=user))
        self.ssh_directory.mkdir()
        script = self.ssh_directory / "ssh"
        script.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
        script.chmod(0o755)

    def account(
        self,
        program: Path,
        home: Path,
        programs: Path | None = None,
        env: Mapping[str, str] | None = None,
        shared: bool = True,
    ) -> Account:
        """Whoever comes as this account gets `program` as git-annex-shell. `programs` is a directory for the PATH
        that it finds; of our own environment it gets nothing. Unless `shared`, each session has its own connection.
        To be closed."""
        path = _SYSTEM_PATH if programs is None else f"{programs}:{_SYSTEM_PATH}"
        settings = {"HOME": str(home), "PATH": path, "LC_ALL": "C.UTF-8", **(env or {})}
        words = ["env", *(f"{name}={value}" for name, value in settings.items()), str(program), "-c"]
        command = f'cd {shlex.quote(str(home))} && exec {shlex.join(words)} "$SSH_ORIGINAL_COMMAND"'
        quoted = command.replace('"', '\\"')
        return self.granted(lambda public: f'command="{quoted}",restrict {public.read_text()}', home, shared)

    def granted(self, line_for: Callable[[Path], str], home: Path, shared: bool = True) -> Account:
        """Whoever comes as this account gets what a line of authorized_keys says that is made for its public key. To be
        closed."""
        self._accounts += 1
        host = f"a{self._accounts}"
        key = self._directory / host
        self._make_key(key)
        with (self._directory / "authorized_keys").open("a") as file:
            file.write(line_for(key.with_suffix(".pub")))
        socket_name = f"{key}.socket"
        shared = shared and len(socket_name) <= _LONGEST_SOCKET
        with (self._directory / "accounts").open("a") as file:
            file.write(_ACCOUNT.format(host=host, key=key) + (_SHARED.format(socket=socket_name) if shared else ""))
        return Account(host, home, self.ssh_directory / "ssh", shared)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _make_key(self, path: Path) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path], check=True)

    def _start(self) -> tuple[subprocess.Popen[bytes], int]:
        log = self._directory / "sshd.log"
        for _ in range(_ATTEMPTS):
            port = free_port()
            config = self._directory / "sshd_config"
            config.write_text(_SERVER.format(directory=self._directory, port=port))
            argv = [str(SSHD), "-D", "-f", str(config), "-E", str(log)]
            # Sessions that outlive a test must hold no pipe of ours.
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if _answers(process, port):
                return process, port
            process.kill()
            process.wait()
        raise RuntimeError(f"sshd does not start: {log.read_text()}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether this very sshd comes to answer on the port: if another had it, ours would have ended."""
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                return connection.recv(8).startswith(b"SSH-") and process.poll() is None
        except OSError:
            time.sleep(0.01)
    return False
