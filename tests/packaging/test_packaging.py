"""What people get who install annexshell: built once from a source distribution, into a virtual environment that has
the libraries of the one that runs the tests."""

from __future__ import annotations

import email.message
import email.parser
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from annexshell import __version__
from tests.conftest import CLIENT_UUID, ROOT
from tests.support.real import Repo

PROGRAMS = ("git-annex-shell", "annexshell")


def run(*argv: str | Path, cwd: Path = Path("/"), **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a program with as little of this checkout around it as possible."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(argv, cwd=cwd, env={**clean, **env}, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def succeed(*argv: str | Path, cwd: Path = Path("/")) -> str:
    done = run(*argv, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked() -> list[str]:
    """The files of the project."""
    done = run("git", "ls-files", cwd=ROOT)
    if done.returncode != 0:
        pytest.skip("this is no checkout with git's list of its files")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean one."""
    directory = tmp_path_factory.mktemp("packaging") / "checkout"
    for name in tracked():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, directory / name)
    return directory


@pytest.fixture(scope="session")
def source(checkout: Path) -> Path:
    """The source distribution of that checkout, unpacked."""
    build = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    succeed(sys.executable, "-c", build, checkout.parent, cwd=checkout)
    succeed("tar", "-xzf", f"annexshell-{__version__}.tar.gz", cwd=checkout.parent)
    return checkout.parent / f"annexshell-{__version__}"


@pytest.fixture(scope="session")
def installed(source: Path) -> Path:
    """The virtual environment, with annexshell built from the source distribution."""
    venv = source.parent / "venv"
    succeed(sys.executable, "-m", "venv", "--without-pip", venv)
    (libraries(venv) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), "--disable-pip-version-check"]
    succeed(*pip, "install", "-q", "--no-index", "--no-deps", "--no-build-isolation", "--use-pep517", source)
    return venv


def libraries(venv: Path) -> Path:
    (found,) = venv.glob("lib/python*/site-packages")
    return found


@pytest.fixture(scope="session")
def metadata(installed: Path) -> email.message.Message:
    (directory,) = libraries(installed).glob("annexshell-*.dist-info")
    return email.parser.Parser().parsestr((directory / "METADATA").read_text())


def files_below(directory: Path) -> Iterator[str]:
    return (str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_the_source_distribution_is_complete(source: Path) -> None:
    made = {"PKG-INFO", *(f"annexshell.egg-info/{name}" for name in os.listdir(source / "annexshell.egg-info"))}
    # What pip has built from it since.
    distributed = {name for name in files_below(source) if not name.startswith("build/")}
    assert distributed - made == set(tracked())
    assert os.access(source / "bin/test", os.X_OK)


def test_the_package_and_nothing_else_is_installed(installed: Path) -> None:
    package = libraries(installed) / "annexshell"
    names = {name for name in files_below(package) if not name.endswith(".pyc")}
    assert {f"annexshell/{name}" for name in names} == {name for name in tracked() if name.startswith("annexshell/")}
    others = {path.name for path in libraries(installed).iterdir() if not path.name.startswith("annexshell")}
    assert others <= {"libraries.pth", "__pycache__"}
    programs = {path.name for path in (installed / "bin").iterdir() if "activate" not in path.name.lower()}
    assert {name for name in programs if not name.startswith("python")} == set(PROGRAMS)


def test_bytecode_is_installed(installed: Path) -> None:
    """An account without write access to it would compile all of it for every session."""
    package = libraries(installed) / "annexshell"
    for path in package.rglob("*.py"):
        compiled = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        assert compiled.stat().st_size > 0, f"{path} has no bytecode"


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_plain_scripts(installed: Path, name: str) -> None:
    """A generated wrapper would first import what it takes to find the package."""
    first, _, rest = (installed / "bin" / name).read_text().partition("\n")
    assert first.startswith("#!")
    assert Path(first[2:]).resolve() == (installed / "bin/python").resolve()
    assert rest == (ROOT / "bin" / name).read_text().partition("\n")[2]


def test_programs_run_anywhere(installed: Path, repo: Repo, tmp_path: Path) -> None:
    """Neither the current directory nor another annexshell there matters, nor what the user has set for Python."""
    decoy = tmp_path / "decoy"
    (decoy / "annexshell").mkdir(parents=True)
    (decoy / "annexshell/__init__.py").write_text("raise SystemExit('the wrong one')\n")
    shell, admin = (installed / "bin" / name for name in PROGRAMS)
    starts: list[list[str | Path]] = [[], [installed / "bin/python", "-I"]]
    for start in starts:
        for cwd in (decoy, ROOT, Path("/")):
            assert f"(annexshell) {__version__}\n" in succeed(*start, shell, "--version", cwd=cwd)
            assert succeed(*start, admin, "--version", cwd=cwd) == f"annexshell {__version__}\n"
    assert "annex.verify" in succeed(admin, "settings", repo.path, cwd=decoy)
    assert repo.uuid in succeed(shell, "configlist", repo.path, cwd=decoy)
    session = run(installed / "bin/python", "-I", shell, "p2pstdio", repo.path, CLIENT_UUID, cwd=decoy)
    assert (session.returncode, session.stdout) == (0, f"AUTH-SUCCESS {repo.uuid}\n")


def test_the_index_of_packages_would_take_them(source: Path, tmp_path: Path) -> None:
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    succeed(*pip, "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    built = [source.parent / f"{source.name}.tar.gz", *tmp_path.glob("*.whl")]
    done = succeed(sys.executable, "-m", "twine", "check", "--strict", *built)
    assert done.count("PASSED") == 2


def test_metadata(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "annexshell"
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.10"
    assert "AGPL-3.0-or-later" in (metadata["License"], metadata["License-Expression"])
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).strip() == (ROOT / "README.md").read_text().strip()
    classifiers = metadata.get_all("Classifier") or []
    assert "Operating System :: POSIX :: Linux" in classifiers
    assert f"Programming Language :: Python :: {sys.version_info[0]}.{sys.version_info[1]}" in classifiers
    always = {line.split(" ")[0].split(">")[0] for line in metadata.get_all("Requires-Dist") or [] if ";" not in line}
    assert always == {"gevent", "docopt-ng", "psutil", "httptools"}


def test_the_version_is_in_one_place() -> None:
    """CHANGES.md tells of it, too."""
    found = {name for name in tracked() if not name.startswith("tests/") and _mentions(ROOT / name)}
    assert found == {"annexshell/__init__.py", "CHANGES.md"}


def _mentions(path: Path) -> bool:
    return f'"{__version__}"' in path.read_text() or f" {__version__} " in path.read_text()
