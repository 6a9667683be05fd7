"""Programs run by ordinary users, for whom permissions mean something. Tests that run as root become somebody else."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID, ROOT
from tests.support.client import Client
from tests.support.real import real_binary

_PYTHONS = (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3")
_PROBE = "import sys; sys.path.insert(0, {root!r}); import annexshell.cli.p2pstdio; assert sys.version_info >= (3, 10)"


class Person:
    """Somebody with an account and a home directory, who may be ourselves."""

    def __init__(self, name: str, group: int, home: Path) -> None:
        self.name = name
        self._become: list[str] = []
        if os.getuid() == 0:
            self._become = ["setpriv", f"--reuid={name}", f"--regid={group}", "--clear-groups", "--inh-caps=-all", "--"]
        self.ids = pwd.getpwnam(name).pw_uid, group
        self.home = home
        self.env = {"HOME": str(home), "USER": name, "LOGNAME": name}

    def run(self, *argv: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._become, *argv], cwd=self.home, env={**os.environ, **self.env}, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def connect(self, shell: Path, repo: Path) -> Client:
        client = Client(*self._become, shell, "p2pstdio", str(repo), CLIENT_UUID, env=self.env)
        assert client.ask("VERSION 4") == "VERSION 4"
        return client


class People:
    """Two people of one group, a directory where both may do as they like, and programs that both may run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        root = os.getuid() == 0
        names = ("nobody", "daemon") if root else (pwd.getpwuid(os.getuid()).pw_name,) * 2
        group = pwd.getpwnam("nobody").pw_gid if root else os.getgid()
        self.persons = [Person(name, group, directory / f"home{number}") for number, name in enumerate(names)]
        directory.chmod(0o777)
        for person in self.persons:
            person.home.mkdir()
            if (Path.home() / ".gitconfig").exists():
                shutil.copy(Path.home() / ".gitconfig", person.home)
            with (person.home / ".gitconfig").open("a") as config:
                config.write("[safe]\n\tdirectory = *\n")
            if root:
                os.chown(person.home, pwd.getpwnam(person.name).pw_uid, group)
        self.shell = directory / "git-annex-shell"
        self.shell.write_text(
            f"#!{self._python()} -IS\nimport sys\n\nsys.path.insert(0, {str(ROOT)!r})\n"
            "from annexshell.cli.shell import main\n\nmain()\n"
        )
        self.shell.chmod(0o755)

    def real_shell(self) -> Path:
        """The real git-annex-shell, where everybody can run it."""
        program = self.directory / "real" / "git-annex-shell"
        program.parent.mkdir()
        if all(person.run("test", "-x", real_binary(), check=False).returncode == 0 for person in self.persons):
            program.symlink_to(real_binary())
        else:
            shutil.copy(real_binary(), program)
        return program

    def _python(self) -> str:
        """An interpreter that everybody can run, and that can read our package."""
        for python in _PYTHONS:
            try:
                probe = _PROBE.format(root=str(ROOT))
                probes = [person.run(python, "-ISc", probe, check=False) for person in self.persons]
            except OSError:
                continue
            if all(probe.returncode == 0 for probe in probes):
                return python
        pytest.skip("no other user can run our program here")


@contextmanager
def ordinary_people() -> Iterator[People]:
    """People whose directory lies where everybody can reach it. Skips the test where nobody can be anybody else."""
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv to become an ordinary user with")
    directory = Path(tempfile.mkdtemp(prefix="people-", dir="/tmp"))
    try:
        yield People(directory)
    finally:
        for top, names, _ in os.walk(directory):
            for path in (Path(top, name) for name in names):
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(directory)
