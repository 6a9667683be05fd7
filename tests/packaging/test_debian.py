"""The Debian package: it can be built, lintian finds no errors, and it makes room for itself beside git-annex."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest

from annexshell import __version__
from tests.conftest import ROOT
from tests.support.packages import make

TOOLS = {
    "dpkg-buildpackage": "dpkg-dev",
    "dh": "debhelper",
    "dh_python3": "dh-python",
    "lintian": "lintian",
    "lowdown": "lowdown",
}
MANUAL = "usr/share/man/man1/git-annex-shell"
MISSING = [package for program, package in TOOLS.items() if which(program, path="/usr/bin") is None]
if (
    not Path("/usr/share/perl5/Debian/Debhelper/Sequence/python3.pm").exists()
    or not Path("/usr/bin/py3versions").exists()
):
    MISSING.append("python3-all")

pytestmark = pytest.mark.timeout(300)  # seconds: debhelper and lintian are many programs
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"the package can't be built without {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("debian")
    done = make("deb", directory)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = directory.glob("annexshell_*_all.deb")
    return built


def test_its_version_is_ours() -> None:
    first = (ROOT / "contrib/debian/changelog").read_text().splitlines()[0]
    assert first.startswith(f"annexshell ({__version__}-")


def test_readme_installs_what_building_needs() -> None:
    control = (ROOT / "contrib/debian/control").read_text()
    needed = re.search(r"^Build-Depends: (.*)$", control, re.MULTILINE)
    assert needed
    packages = [re.sub(r"-compat| \(.*\)", "", package) for package in needed[1].split(", ")]
    command = "    apt install --no-install-recommends git dpkg-dev " + " ".join(packages)
    assert command in (ROOT / "README.md").read_text().splitlines()


@needs_tools
def test_lintian_finds_no_errors(package: Path) -> None:
    done = subprocess.run(["lintian", "--fail-on", "error", package], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_tools
def test_nothing_from_elsewhere_is_needed(package: Path) -> None:
    """httptools is too old in Debian, and the server does with h11."""
    wanted = {}
    for field in ("Depends", "Recommends"):
        done = subprocess.run(["dpkg-deb", "-f", package, field], capture_output=True, text=True, check=True)
        wanted[field] = {name.split()[0] for name in done.stdout.split(",")}
    assert {"git", "python3-gevent", "python3-docopt", "python3-psutil"} <= wanted["Depends"]
    assert "python3-httptools" not in wanted["Depends"] | wanted["Recommends"]
    assert "python3-h11" in wanted["Recommends"]


@needs_tools
def test_what_it_installs(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "root"], check=True)
    root = tmp_path / "root"
    env = {**os.environ, "PYTHONPATH": str(root / "usr/lib/python3/dist-packages")}
    for name in ("annexshell", "git-annex-shell"):
        program = root / "usr/bin" / name
        assert program.read_text().startswith("#!/usr/bin/python3\n")
        done = subprocess.run(
            [sys.executable, program, "--version"], env=env, capture_output=True, text=True, check=False
        )
        assert __version__ in done.stdout, done.stderr
    units = {path.name for path in (root / "usr/lib/systemd/system").iterdir()}
    assert units == {path.name for path in (ROOT / "contrib/systemd").iterdir() if path.is_file()}
    assert (root / "usr/lib/systemd/user/annexshell-p2phttp.service").exists()
    manuals = {path.name for path in (root / "usr/share/man/man1").iterdir()}
    assert manuals == {path.stem + ".gz" for path in (ROOT / "docs").glob("*.1.md")}
    for path in ("bash-completion/completions/annexshell", "zsh/vendor-completions/_annexshell"):
        assert "p2phttp" in (root / "usr/share" / path).read_text()


@needs_tools
def test_it_lives_beside_git_annex(package: Path, tmp_path: Path) -> None:
    """Its scripts move away what git-annex has under the same names, and back, in a database of packages that the test
    makes."""
    root, control = tmp_path / "root", tmp_path / "control"
    subprocess.run(["dpkg-deb", "-e", package, control], check=True)
    moves = {
        root / "usr/bin/git-annex-shell": root / "usr/bin/git-annex-shell.git-annex",
        root / f"{MANUAL}.1.gz": root / f"{MANUAL}.git-annex.1.gz",
    }
    for directory in ("usr/bin", "usr/share/man/man1", "var/lib/dpkg"):
        (root / directory).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    for theirs in moves:
        theirs.write_text("of git-annex")
    run = script_runner(root)
    run(control / "preinst", "install")
    run(control / "preinst", "upgrade", __version__)
    for theirs, moved in moves.items():
        assert moved.read_text() == "of git-annex"
        assert not theirs.exists()
    run(control / "postrm", "upgrade", __version__)
    assert all(moved.exists() for moved in moves.values())
    run(control / "postrm", "remove")
    for theirs, moved in moves.items():
        assert theirs.read_text() == "of git-annex"
        assert not moved.exists()


@needs_tools
def test_nothing_is_enabled(package: Path, tmp_path: Path) -> None:
    """Neither for the machine nor for everybody who logs in there: what is to be served is for somebody to say."""
    subprocess.run(["dpkg-deb", "-e", package, tmp_path / "control"], check=True)
    script = (tmp_path / "control/postinst").read_text()
    assert "try-restart annexshell-p2phttp.service" in script
    assert not re.search(r"\benable\b|\bstart ", script), script


@needs_tools
def test_purge_leaves_nothing_enabled(package: Path, tmp_path: Path) -> None:
    """Neither the units nor instances nor those of users, and nothing else goes."""
    root, control = tmp_path / "root", tmp_path / "control"
    subprocess.run(["dpkg-deb", "-e", package, control], check=True)
    links = [
        "system/sockets.target.wants/annexshell-p2phttp.socket",
        "system/sockets.target.wants/annexshell-p2phttp@srv-annex.socket",
        "system/multi-user.target.wants/annexshell-p2phttp.service",
        "system/multi-user.target.wants/annexshell-p2phttp@srv-annex.service",
        "system/multi-user.target.wants/annexshell-p2p@srv-annex.service",
        "user/sockets.target.wants/annexshell-p2phttp.socket",
        "user/default.target.wants/annexshell-p2phttp.service",
    ]
    others = ["system/sockets.target.wants/ssh.socket", "system/annexshell-p2phttp.socket.d"]
    for name in (*links, *others):
        path = root / "etc/systemd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(f"/usr/lib/systemd/{name}")
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    run = script_runner(root)
    run(control / "postrm", "remove")
    assert (root / "etc/systemd" / links[0]).is_symlink(), "it may come back"
    run(control / "postrm", "purge")
    left = {str(path.relative_to(root / "etc/systemd")) for path in root.glob("etc/systemd/**/*") if path.is_symlink()}
    assert left == set(others)


def script_runner(root: Path) -> Callable[..., None]:
    """Runs a maintainer script as dpkg would in another root."""

    def run(*argv: str | Path) -> None:
        subprocess.run(["sh", "-e", *argv], env={**os.environ, "DPKG_ROOT": str(root)}, check=True, capture_output=True)

    return run
