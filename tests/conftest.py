"""What all tests share: an environment of their own, the real git-annex on PATH, and our git-annex-shell as a
program."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.client import Client
from tests.support.real import Repo, real_binary

ROOT = Path(__file__).resolve().parent.parent
CLIENT_UUID = "11111111-1111-4111-8111-111111111111"

# The same examples each time: what fails has to fail again. HYPOTHESIS_PROFILE=random looks for others.
settings.register_profile("same", derandomize=True)
settings.register_profile("random")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session", autouse=True)
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the real git-annex under its names; first on PATH in every test, and in what several share."""
    directory = tmp_path_factory.mktemp("programs")
    for name in ("git-annex", "git-annex-shell", "git-remote-annex"):
        (directory / name).symlink_to(real_binary())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
        yield directory


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our git-annex-shell of this checkout, started as fast as an installed one, with annexshell beside it."""
    directory = tmp_path_factory.mktemp("ours")
    paths = [str(ROOT), *site.getsitepackages()]
    for name, module in (("git-annex-shell", "shell"), ("annexshell", "admin.main")):
        script = directory / name
        script.write_text(
            f"#!{sys.executable} -IS\nimport sys\n\nsys.path += {paths!r}\n"
            f"from annexshell.cli.{module} import main\n\nmain()\n"
        )
        script.chmod(0o755)
    return directory / "git-annex-shell"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOME and git's identity are the test's own; nothing of the account's reaches it."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("GIT_", "SSH_", "ANNEX")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = master\n"
        '[annex]\n\tsshcaching = false\n[protocol "file"]\n\tallow = always\n[gc]\n\tauto = 0\n'
    )


@pytest.fixture(autouse=True)
def open_files() -> Iterator[None]:
    """Every test leaves as many open file descriptors as it found."""
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before, "the test leaks file descriptors"


@pytest.fixture()
def repo(tmp_path: Path) -> Repo:
    """A repository with a work tree."""
    return Repo(tmp_path / "repo")


@pytest.fixture()
def bare(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "bare.git", bare=True)


@pytest.fixture()
def serve(shell: Path) -> Iterator[Callable[..., Client]]:
    """serve(repo) connects a client with our git-annex-shell p2pstdio; VERSION 4 is negotiated unless told
    otherwise."""
    clients: list[Client] = []

    def start(repo: Repo, version: int | None = 4, program: Path = shell, env: dict[str, str] | None = None) -> Client:
        client = Client(program, "p2pstdio", str(repo.path), CLIENT_UUID, "--uuid", repo.uuid, env=env)
        clients.append(client)
        if version is not None:
            assert client.ask(f"VERSION {version}") == f"VERSION {version}"
        return client

    yield start
    for client in clients:
        client.__exit__()
