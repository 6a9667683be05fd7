"""A bare Debian with our package, and the machine that it is when it runs. Both are made once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.bareroot import Root, Unavailable, bare_root
from tests.support.machine import Machine, missing
from tests.support.packages import make

# Ports of the machine: of the system's unit, of two instances, and of a user's unit.
SYSTEM, INSTANCE, SECRET, OWN = 9417, 9418, 9419, 9420

_ACCOUNTS = """\
useradd --create-home --shell /bin/bash alice
useradd --create-home --shell /usr/bin/git-annex-shell bob
install -d -o annex -g annex /srv/annex /srv/secret
mkdir -p /var/lib/systemd/linger && touch /var/lib/systemd/linger/alice
repository() {
    runuser -u $1 -- git init -q $3 $2 && runuser -u $1 -- annexshell init -q --repo=$2
}
set -e
repository annex /var/lib/annexshell/photos --bare
repository annex /var/lib/annexshell/films
repository annex /srv/annex/photos
repository annex /srv/secret/photos --bare
repository alice /home/alice/annex/photos --bare
repository alice /home/alice/pyz.git --bare
repository bob /home/bob/repo.git --bare
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it takes minutes, and much of the processors."""
    if not os.environ.get("MACHINE"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="runs with MACHINE=1 only"))


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deb")
    done = make("deb", directory)
    if done.returncode != 0:
        pytest.skip(f"the Debian package can't be built here: {done.stderr[-300:]}")
    (built,) = directory.glob("*.deb")
    return built


@pytest.fixture(scope="session")
def root(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, deb: Path) -> Iterator[Root]:
    """With git-annex's package, and ours, as yet not installed, as /annexshell.deb."""
    cache = pytestconfig.cache
    path = tmp_path_factory.mktemp("machine") / "root"
    try:
        made = bare_root(path, path.parent if cache is None else Path(str(cache.mkdir("bare-root"))))
    except Unavailable as reason:
        pytest.skip(str(reason))
    (made.path / "annexshell.deb").write_bytes(deb.read_bytes())
    yield made
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def installed(root: Root) -> Root:
    """With our package installed. apt finds all that it depends on there."""
    root.run("apt-get", "install", "-y", "--no-install-recommends", "/annexshell.deb")
    return root


@pytest.fixture(scope="session")
def virtual_environment(installed: Root, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """With annexshell also in /opt/annexshell, as pip installs it there."""
    wheels = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--use-pep517"]
    subprocess.run([*pip, "-w", wheels, ROOT], check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    (installed.path / "opt" / wheel.name).write_bytes(wheel.read_bytes())
    installed.run("python3", "-m", "venv", "--system-site-packages", "/opt/annexshell")
    installed.run(
        "/opt/annexshell/bin/pip", "install", "--no-index", "--no-deps", "--ignore-installed", f"/opt/{wheel.name}"
    )
    return installed


@pytest.fixture(scope="session")
def machine(virtual_environment: Root, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """It runs. root, alice, and bob, whose login shell is git-annex-shell, can log in; alice-limited has a forced
    command, and alice-pyz another one, annexshell.pyz, for which there is no more than Python's standard library."""
    if lacking := missing():
        pytest.skip(f"a machine needs {lacking}")
    root = virtual_environment
    root.run("sh", "-c", _ACCOUNTS)
    pyz = tmp_path_factory.mktemp("pyz")
    done = make("pyz", pyz)
    assert done.returncode == 0, done.stderr
    root.write("opt/pyz/git-annex-shell", "", 0o755)
    (root.path / "opt/pyz/git-annex-shell").write_bytes((pyz / "annexshell.pyz").read_bytes())
    made = Machine(root, (SYSTEM, INSTANCE, SECRET, OWN))
    try:
        _let_in(made)
        made.start()
        yield made
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        made.stop()


def _let_in(machine: Machine) -> None:
    root = machine.root
    alone = "GIT_ANNEX_SHELL_DIRECTORY=/home/alice/pyz.git python3 -IS /opt/pyz/git-annex-shell"
    own = f'command="{alone} -c \\"$SSH_ORIGINAL_COMMAND\\"",restrict {machine.account("alice-pyz", "alice")}'
    root.write("home/alice/.ssh/authorized_keys", machine.account("alice", "alice") + own)
    root.write("home/bob/.ssh/authorized_keys", machine.account("bob", "bob"))
    root.run("chown", "-R", "alice:", "/home/alice/.ssh")
    root.run("chown", "-R", "bob:", "/home/bob/.ssh")
    root.write("home/alice/limited.pub", machine.account("alice-limited", "alice"))
    only = ("--install", "--directory=/home/alice/annex/photos", "/home/alice/limited.pub")
    root.run("runuser", "-u", "alice", "--", "env", "HOME=/home/alice", "annexshell", "authorized-keys", *only)
