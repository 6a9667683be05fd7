"""A bare Debian as a virtual machine: with a real systemd, and Debian's sshd as it is configured there.

Its processors are emulated, so that it works wherever qemu does, and takes its time: whoever waits for it waits for
what is to happen, with much patience.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from subprocess import DEVNULL

from tests.support.bareroot import Root, Unavailable
from tests.support.ports import free_port
from tests.support.real import run

PATIENCE = 300.0  # seconds
_SIZE = "4G"  # of the disk, which takes what is in use
_QEMU = "qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none -no-reboot"
_KERNEL = "root=/dev/vda rw console=ttyS0 panic=1 mitigations=off fsck.mode=skip"
_NETWORK = "[Match]\nName=en*\n[Network]\nDHCP=yes\n"
_USELESS = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer")

_SSH = """\
Host *
    HostName 127.0.0.1
    Port {port}
    HostKeyAlias machine
    UserKnownHostsFile {directory}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    IdentitiesOnly yes
    BatchMode yes
    ConnectTimeout 10
    LogLevel ERROR
    ControlMaster auto
    ControlPath {directory}/%n.socket
    ControlPersist yes
"""
_ACCOUNT = "Host {host}\n    User {user}\n    IdentityFile {directory}/{host}\n"


def missing() -> str:
    """The programs that are missing here to run one."""
    programs = ("qemu-system-x86_64", "mke2fs", "ssh", "ssh-keygen", "mmdebstrap")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return ", ".join(name for name in programs if shutil.which(name, path=path) is None)


class Machine:
    """To be prepared with `account`, started, and stopped. `ssh_directory` goes first on a client's PATH: the `ssh` in
    it knows each account as a host. `ports` of the machine are reached on loopback at `at[port]`."""

    def __init__(self, root: Root, ports: tuple[int, ...]) -> None:
        self.root = root
        self.at = dict.fromkeys((22, *ports), 0)
        self.directory = Path(tempfile.mkdtemp(prefix="machine-"))  # not too long a name for sockets
        self.ssh_directory = self.directory / "bin"
        self._hosts: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        root.write("root/.ssh/authorized_keys", self.account("root", "root"), 0o600)

    def account(self, host: str, user: str) -> str:
        """Has clients of this host come as that user, with a new key: its line for authorized_keys."""
        key = self.directory / host
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host, "-f", key)
        with (self.directory / "ssh_config").open("a") as file:
            file.write(_ACCOUNT.format(host=host, user=user, directory=self.directory))
        self._hosts.append(host)
        return key.with_suffix(".pub").read_text()

    def start(self) -> None:
        """Returns when it is up. Raises Unavailable if it does not come so far."""
        root = self.root
        root.write("etc/systemd/network/all.network", _NETWORK)
        root.write("etc/hostname", "machine\n")
        root.write("etc/hosts", "127.0.0.1 localhost machine\n")
        root.run("systemctl", "enable", "systemd-networkd")
        root.run("systemctl", "mask", *_USELESS)
        image = self.directory / "image"
        env = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        run("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d", root.path, image, _SIZE, env=env)
        self._boot(image)
        public = (root.path / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
        (self.directory / "known_hosts").write_text(f"machine {public[0]} {public[1]}\n")
        with (self.directory / "ssh_config").open("a") as file:
            file.write(_SSH.format(directory=self.directory, port=self.at[22]))
        root_ssh = f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.directory}/ssh_config "$@"\n'
        self.ssh_directory.mkdir()
        (self.ssh_directory / "ssh").write_text(root_ssh)
        (self.ssh_directory / "ssh").chmod(0o755)
        self._wait()

    def _boot(self, image: Path) -> None:
        self.at = {port: free_port() for port in self.at}
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{ours}-:{port}" for port, ours in self.at.items())
        kernel, initrd = self.root.path / "vmlinuz", self.root.path / "initrd.img"
        command: list[str | Path] = [
            *_QEMU.split(),
            *("-kernel", kernel.resolve(), "-initrd", initrd.resolve(), "-append", _KERNEL),
            *("-drive", f"file={image},if=virtio,format=raw,cache=unsafe"),
            *("-nic", f"user,model=virtio{forwards}"),
            *("-serial", f"file:{self.directory}/serial"),
        ]
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=DEVNULL, stdout=log, stderr=log)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._control("root", "-M", "-N", "-f"):
            assert self._process is not None
            if self._process.poll() is not None:
                raise Unavailable(f"qemu ended: {(self.directory / 'log').read_text()[-300:]}")
            if time.monotonic() > deadline:
                raise Unavailable(f"the machine does not come up: {self._last_words()}")
            time.sleep(0.1)
        self.run("systemctl is-system-running --wait", check=False)

    def _last_words(self) -> str:
        serial = self.directory / "serial"
        return serial.read_text(errors="replace")[-300:] if serial.exists() else ""

    def _control(self, host: str, *options: str) -> bool:
        command: list[str | Path] = [self.ssh_directory / "ssh", *options, host]
        done = subprocess.run(command, timeout=PATIENCE, check=False, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        return done.returncode == 0

    def connect(self, host: str) -> None:
        """Opens the connection that the sessions of an account share: a connection takes far longer than a session."""
        assert self._control(host, "-M", "-N", "-f"), f"{host} can't log in"

    def disconnect(self, host: str) -> None:
        """Logs out."""
        self._control(host, "-O", "exit")

    def ssh(self, host: str, command: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        argv: list[str | Path] = [self.ssh_directory / "ssh", "--", host, command]
        return subprocess.run(argv, input=data, capture_output=True, timeout=PATIENCE, check=False)

    def run(self, command: str, data: bytes = b"", check: bool = True, host: str = "root") -> str:
        """Has the machine's shell run a command, as root; what it prints, without the last newline."""
        done = self.ssh(host, command, data)
        said = os.fsdecode(done.stderr)
        assert not check or done.returncode == 0, f"{command} exited with {done.returncode}\n{done.stdout!r}\n{said}"
        return os.fsdecode(done.stdout).removesuffix("\n")

    def until(self, condition: str) -> None:
        """Waits until a command of the machine's shell succeeds."""
        self.run(f"timeout {PATIENCE / 2:.0f} sh -c {shlex.quote(f'until {condition}; do sleep 0.2; done')}")

    def unit(self, name: str, what: str) -> str:
        """A property of a unit."""
        return self.run(f"systemctl show --value --property={what} {name}")

    def stop(self) -> None:
        if self.ssh_directory.is_dir():
            for host in self._hosts:
                self.disconnect(host)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory)
