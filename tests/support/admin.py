"""annexshell and the real git-annex, as commands on repositories of a gateway and its nodes."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.real import run

ROOT = Path(__file__).resolve().parents[2]
_OURS = "import sys; sys.path.insert(0, sys.argv.pop(1)); from annexshell.cli.admin.main import main; main()"

_templates: dict[Callable[[Path], None], Path] = {}


class Done:
    """What a command did."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out = os.fsdecode(done.stdout)
        self.err = os.fsdecode(done.stderr)

    def __repr__(self) -> str:
        return f"exit code {self.code}, output {self.out!r}, errors {self.err!r}"


def ours(directory: Path, *args: str | bytes, **env: str) -> Done:
    """annexshell of this checkout, run in a directory."""
    return _run([sys.executable, "-I", "-c", _OURS, ROOT, *args], directory, env)


def theirs(directory: Path, *args: str | bytes, **env: str) -> Done:
    """The real git-annex, run in a directory."""
    return _run(["git-annex", *args], directory, env)


def _run(argv: Sequence[str | bytes | Path], directory: Path, env: dict[str, str]) -> Done:
    return Done(
        subprocess.run(argv, cwd=directory, env={**os.environ, **env}, capture_output=True, stdin=subprocess.DEVNULL)
    )


def succeed(done: Done) -> str:
    """What a command printed that has to succeed."""
    assert done.code == 0, done
    return done.out


def git(directory: Path, *args: str | Path, check: bool = True) -> str:
    return run("git", *args, cwd=directory, check=check)


def log(directory: Path, name: str) -> list[str]:
    """The lines of a log in the git-annex branch, sorted, without time stamps."""
    text = git(directory, "cat-file", "blob", f"git-annex:{name}", check=False)
    return sorted(re.sub(r"^[0-9.]+s | timestamp=[0-9.]+s$", "", line) for line in text.splitlines())


def logs(directory: Path) -> dict[str, list[str]]:
    """All that clients learn of a gateway."""
    return {name: log(directory, name) for name in ("proxy.log", "cluster.log", "uuid.log")}


def tip(directory: Path) -> str:
    return git(directory, "rev-parse", "git-annex")


def config(directory: Path) -> list[str]:
    """The repository's own git config."""
    return sorted(git(directory, "config", "--local", "--list").splitlines())


def value(directory: Path, name: str) -> str:
    """A git config, empty without one."""
    return git(directory, "config", "--local", name, check=False).removesuffix("\n")


def make(directory: Path, description: str, *options: str) -> Path:
    """A repository of git-annex."""
    git(directory.parent, "init", "-q", *options, directory)
    succeed(theirs(directory, "init", "-q", description))
    return directory


def copied(template: Callable[[Path], None], path: Path) -> Path:
    """A copy of what `template` makes in a directory; it is made once."""
    if template not in _templates:
        directory = Path(tempfile.mkdtemp(prefix="template-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        template(directory)
        for sample in directory.rglob("hooks/*.sample"):
            sample.unlink()
        _templates[template] = directory
    shutil.copytree(_templates[template], path, symlinks=True)
    return path


def farm(directory: Path) -> None:
    """A gateway gw with a cluster foo, repositories n1 to n3 that are its remotes, and one, plain, that is not yet
    git-annex's."""
    gateway = make(directory / "gw", "gateway")
    for name in ("n1", "n2", "n3"):
        make(directory / name, f"the node {name}")
        git(gateway, "remote", "add", name, f"../{name}")
    git(directory, "init", "-q", directory / "plain")
    git(gateway, "commit", "-q", "--allow-empty", "-m", "a commit")
    succeed(theirs(gateway, "initcluster", "foo"))


def two_gateways(directory: Path) -> None:
    """AMS, a gateway of the clusters foo and bar with nodes n1 and n2, and NYC with a remote n3, which has just fetched
    from AMS."""
    first = make(directory / "AMS", "Amsterdam")
    git(first, "commit", "-q", "--allow-empty", "-m", "a commit")
    for name in ("n1", "n2", "n3"):
        make(directory / name, f"the node {name}")
    for name in ("n1", "n2"):
        git(first, "remote", "add", name, f"../{name}")
        git(first, "config", f"remote.{name}.annex-cluster-node", "foo bar")
    for name in ("foo", "bar"):
        succeed(theirs(first, "initcluster", name))
    succeed(theirs(first, "updatecluster"))
    second = make(directory / "NYC", "New York")
    git(second, "remote", "add", "AMS", "ssh://nowhere.invalid/AMS")
    git(second, "config", "remote.AMS.annex-uuid", value(first, "annex.uuid"))
    git(second, "remote", "add", "n3", "../n3")
    git(second, "fetch", "-q", first, "git-annex:refs/remotes/AMS/git-annex")


def merged_gateways(directory: Path) -> None:
    """As two_gateways, and NYC has merged what it fetched."""
    two_gateways(directory)
    succeed(theirs(directory / "NYC", "merge"))


class Pair:
    """Two copies of the same repositories: `ours` is for annexshell, `theirs` for the real git-annex."""

    def __init__(self, template: Callable[[Path], None], gateway: str, directory: Path) -> None:
        self.ours = copied(template, directory / "ours") / gateway
        self.theirs = copied(template, directory / "theirs") / gateway

    def both(self, *command: str) -> None:
        """Runs a git command in both."""
        git(self.ours, *command)
        git(self.theirs, *command)

    def alike(self, *command: str | bytes) -> Done:
        """Runs a verb in both, which has to do the same; then each program finds that the other has left nothing to
        do. Returns what ours did."""
        real, done = theirs(self.theirs, *command), ours(self.ours, *command)
        assert (done.code, done.out) == (real.code, real.out), (done, real)
        assert logs(self.ours) == logs(self.theirs)
        assert config(self.ours) == config(self.theirs)
        self.settled()
        return done

    def settled(self) -> None:
        """Neither program has anything to record."""
        for directory, update in ((self.ours, theirs), (self.theirs, ours), (self.ours, ours)):
            before = tip(directory)
            output = succeed(update(directory, "updatecluster"))
            assert "No proxy changes to record.\n" in output
            assert not any(word in output for word in ("Added", "Removed", "Started", "Stopped")), output
            assert tip(directory) == before
