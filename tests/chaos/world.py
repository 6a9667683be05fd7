"""A cluster behind a gateway of ours, on this machine: nodes in directories, over ssh, over HTTP and on a small disk.

Everything lies below one directory. Processes are told from others by it: only those whose command line names our
program of that directory are ever killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.oracle.clients import Clone
from tests.support.ports import free_port
from tests.support.real import real_binary, run
from tests.support.sshd import Account, Sshd

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = "c"
NODES = ("dir", "far", "web", "small")
_GITCONFIG = "[user]\n\tname = Chaos\n\temail = chaos@example.com\n[gc]\n\tauto = 0\n[init]\n\tdefaultBranch = main\n"
_PROGRAM = """#!{python} -IS
import sys

sys.path += {paths!r}
from annexshell.cli.{module} import main

main()
"""
_SMALL = "4m"  # size of the small disk
_PATIENCE = 20.0  # seconds


class HttpServer:
    """annexshell p2phttp for one repository, always at the same port."""

    def __init__(self, program: Path, place: Path, cpus: int, env: dict[str, str]) -> None:
        self._argv: list[str | Path] = [program, "p2phttp", "--wideopen", "--bind=127.0.0.1", f"--cpus={cpus}"]
        self.port = free_port()
        self._place = place
        self._env = env
        self._log = open(place.with_name(place.name + ".log"), "ab")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        argv = [*self._argv, f"--port={self.port}"]
        log = self._log
        return subprocess.Popen(
            argv,
            cwd=self._place,
            env=self._env,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    @property
    def url(self) -> str:
        return f"annex+http://127.0.0.1:{self.port}/git-annex/"

    def workers(self) -> list[psutil.Process]:
        try:
            return list(psutil.Process(self.process.pid).children())
        except psutil.Error:
            return []

    def signal(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """All of it at once, as when the machine goes down; and starts it again."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = self._start()

    def stop(self) -> None:
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            self.signal(signal.SIGKILL)
            self.process.wait()
        self._log.close()


class World:
    """To be built, and closed. `repositories` are all that the servers hold, by name; `uuids` theirs, and that of the
    cluster."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.servers: dict[str, HttpServer] = {}
        self.accounts: dict[str, Account] = {}
        self.clones: list[Clone] = []
        self.repositories: dict[str, Path] = {}
        self.uuids: dict[str, str] = {}
        self.sshd: Sshd | None = None
        self._mounted: Path | None = None

    def build(self) -> None:
        self._make_programs()
        self.sshd = sshd = Sshd(self._directory("sshd"))
        for directory in (self.ours, self.theirs):
            (directory / "ssh").symlink_to(sshd.ssh_directory / "ssh")
        home = self.top / "server"
        for name, program in (("gw", self.shell), ("far", self.shell), ("original", self.theirs / "git-annex-shell")):
            programs = self.ours if program == self.shell else self.theirs
            self.accounts[name] = sshd.account(program, home, programs)
        self.repositories = {name: self._repository(home / name) for name in ("gw", *NODES)}
        self._make_cluster()
        self.uuids = {name: self._config(name, "annex.uuid") for name in self.repositories}
        self.uuids[CLUSTER] = self._config("gw", f"annex.cluster.{CLUSTER}")
        self.servers["gw"] = HttpServer(self.annexshell, home / "gw", 2, self.server_env())
        self.clones = [self._clone("first"), self._clone("second")]
        self.clones[1].git("config", "remote.origin.annexUrl", self.servers["gw"].url)

    def _directory(self, name: str) -> Path:
        path = self.top / name
        path.mkdir()
        return path

    def _make_programs(self) -> None:
        """Directories for PATH: ours with the program of this checkout, theirs with the original; and HOME."""
        for name in ("home", "server"):
            (self._directory(name) / ".gitconfig").write_text(_GITCONFIG)
        self.ours, self.theirs = self._directory("ours"), self._directory("theirs")
        for name in ("git-annex", "git-remote-annex", "git-annex-shell"):
            (self.theirs / name).symlink_to(real_binary())
        (self.ours / "git-annex").symlink_to(real_binary())
        paths = [str(ROOT), *site.getsitepackages()]
        for name, module in (("git-annex-shell", "shell"), ("annexshell", "admin.main")):
            text = _PROGRAM.format(python=sys.executable, paths=paths, module=module)
            (self.ours / name).write_text(text)
            (self.ours / name).chmod(0o755)
        self.shell, self.annexshell = self.ours / "git-annex-shell", self.ours / "annexshell"
        os.environ["HOME"] = str(self.top / "home")
        os.environ["PATH"] = f"{self.theirs}:{os.environ['PATH']}"

    def server_env(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.top / "server"), "PATH": f"{self.ours}:{os.environ['PATH']}"}

    def _repository(self, path: Path) -> Path:
        if path.name == "small" and os.getuid() == 0:
            path.mkdir()
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "none", path], capture_output=True)
            self._mounted = path if done.returncode == 0 else None
        run("git", "init", "-q", "--bare", path)
        run(self.annexshell, "init", "-q", f"--repo={path}", path.name, env=self.server_env())
        run("git", "config", "annex.diskreserve", "1MB", cwd=path)  # for git
        return path

    def _make_cluster(self) -> None:
        urls = {name: str(path) for name, path in self.repositories.items() if name != "gw"}
        urls["far"] = self.accounts["far"].url(self.repositories["far"])
        self.servers["web"] = web = HttpServer(self.annexshell, self.repositories["web"], 1, self.server_env())
        urls["web"] = f"http://127.0.0.1:{web.port}/"
        gw = self.repositories["gw"]
        run("git", "config", "annex.sshcaching", "false", cwd=gw)  # sshd's accounts share a connection already
        self.admin("initcluster", CLUSTER)
        for name, url in urls.items():
            run("git", "remote", "add", name, url, cwd=gw)
            run("git", "config", f"remote.{name}.annex-uuid", self._config(name, "annex.uuid"), cwd=gw)
        run("git", "config", "remote.web.annexUrl", web.url, cwd=gw)
        for name in urls:
            self.admin("addnode", CLUSTER, name)

    def _config(self, name: str, setting: str) -> str:
        return run("git", "config", setting, cwd=self.repositories[name]).strip()

    def admin(self, *words: str) -> None:
        run(self.annexshell, *words, "--quiet", cwd=self.repositories["gw"], env=self.server_env())

    def _clone(self, name: str) -> Clone:
        """A client's repository; the first one also makes the branch that others clone."""
        path = self.top / name
        env = {**os.environ, "PATH": f"{self.theirs}:{os.environ['PATH']}"}
        run("git", "clone", "-q", self.accounts["gw"].url(self.repositories["gw"]), path, env=env)
        clone = Clone(path, self.theirs)
        if not (path / "start").exists():
            (path / "start").write_text("start\n")
            clone.git("add", "start")
            clone.git("commit", "-q", "-m", "start")
            clone.git("push", "-q", "origin", "HEAD:main")
        clone.git("config", "annex.security.allowed-ip-addresses", "all")
        clone.git("config", "annex.numcopies", "1")
        clone.annex("init", "-q", name)
        clone.annex("sync", "-q", "--no-content")
        return clone

    def cluster(self) -> dict[str, set[str]]:
        return {self.uuids[CLUSTER]: {self.uuids[name] for name in NODES}}

    def processes(self) -> list[psutil.Process]:
        """All that runs a program of this world."""
        mark = str(self.top) + "/"
        found = []
        for process in psutil.process_iter():
            try:
                if any(word.startswith(mark) for word in process.cmdline()[:4]):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def sessions(self) -> list[psutil.Process]:
        """Sessions of ours over ssh."""
        found = []
        for process in self.processes():
            try:
                found += [process] if str(self.shell) in process.cmdline()[:4] else []
            except psutil.Error:
                continue
        return found

    def settle(self) -> None:
        """Lets sessions and servers end, which commits what they have recorded."""
        for server in self.servers.values():
            server.stop()
        if self._mounted is not None:  # room for git, which a full disk may have kept from recording things
            subprocess.run(["mount", "-o", "remount,size=64m", self._mounted], check=True)
        deadline = time.monotonic() + _PATIENCE
        while self.sessions() and time.monotonic() < deadline:
            time.sleep(0.05)

    def close(self, keep: bool) -> None:
        for server in self.servers.values():
            server.signal(signal.SIGKILL)
        for clone in self.clones:
            clone.close()
        for account in self.accounts.values():
            account.close()
        if self.sshd is not None:
            self.sshd.stop()
        for process in self.processes():
            try:
                process.kill()
            except psutil.Error:
                continue
        if keep:
            print(f"kept in {self.top}")
            return
        if self._mounted is not None:
            subprocess.run(["umount", "-l", self._mounted], check=False)
        _remove(self.top)


def _remove(top: Path) -> None:
    for directory, names, _ in os.walk(top):
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(top, ignore_errors=True)
