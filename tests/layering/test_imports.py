"""Who may import whom, how large things may grow, and what a session may load: the rules of the house."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID, ROOT
from tests.support.real import Repo

PACKAGE = ROOT / "annexshell"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each room with the rooms it may import from, besides itself. A room inside another one is a room of its own.
VALUES = set("errors model".split())
BYTES = {*VALUES, "wire", "stream", "relay"}
FILES = {*VALUES, "disk", "git"}
ROOMS = {f"repo/{room}" for room in "local initialization nodes gateway".split()}
REPOSITORY = {*BYTES, *FILES, "net", "store", "annexlog", "policy", "repo"}
HTTP = {*BYTES, "green", "repo", "repo/local", "serve/http/http1"}
SERVER = {f"serve/http{room}" for room in ("", *"/http1 /repositories /access /api /reporting /status".split())}
ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "model": {"errors"},
    "wire": VALUES,
    "stream": {"errors"},
    "relay": {"errors", "stream"},
    "disk": {"errors"},
    "git": {*VALUES, "disk"},
    "net": {"errors", "wire", "stream"},
    "store": {*VALUES, "stream", "relay", "disk"},
    "annexlog": FILES,
    "policy": VALUES,
    "green": {"errors", "stream"},
    "repo": {*VALUES, "stream", "store"},
    "repo/local": REPOSITORY,
    "repo/initialization": {*REPOSITORY, "repo/local"},
    "repo/nodes": {*REPOSITORY, "repo/local"},
    "repo/gateway": {*REPOSITORY, "repo/local", "repo/nodes"},
    "admin": {*REPOSITORY, *ROOMS},
    "serve": {*BYTES, "repo", "repo/local"},
    "serve/http/http1": {*VALUES, "stream", "green"},
    "serve/http/repositories": {*HTTP, *FILES, "annexlog", "repo/gateway"},
    "serve/http/access": {*HTTP},
    "serve/http/api": {*HTTP, "serve/http/repositories", "serve/http/access"},
    "serve/http/reporting": {*HTTP, "serve/http/repositories"},
    "serve/http/status": {*HTTP, "admin", "policy", *SERVER} - {"serve/http", "serve/http/api"},
    "serve/http": {*HTTP, *SERVER},
    "cli": {*REPOSITORY, "green", "serve", *ROOMS},
    "cli/admin": {*REPOSITORY, "green", "serve", "cli", *ROOMS, "admin", *SERVER},
    "__main__": {"cli", "cli/admin"},
}
# Arrows the wrong way that are still there.
KNOWN = {
    ("serve/http/http1/exchange", "serve/http/api"),
    ("serve/http/reporting/health", "serve/http"),
    ("serve/http/repositories/served", "serve/http/api"),
}
# Rooms that only compute: nothing in them can wait for anything.
PURE = ("model", "wire", "policy", "store/layout.py", "annexlog/lines.py", "annexlog/logs.py")
NOT_PURE = {"os", "time", "socket"}

# Modules that no ssh session on one local repository may load before it greets.
TOO_SLOW = (
    "gevent typing dataclasses logging argparse subprocess socket ssl json re enum importlib.metadata docopt".split()
)

MAX_MODULE, MAX_FUNCTION = 500, 60  # lines


def room(path: Path) -> str:
    inside = "/".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return next(room for room in sorted(ALLOWED, reverse=True) if f"{inside}/".startswith(f"{room}/"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """The modules that a file imports, and whether only for the type checker."""

    def visit(node: ast.AST, typing_only: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            typing_only = True
        if isinstance(node, ast.Import):
            yield from ((alias.name, typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", typing_only
        for child in ast.iter_child_nodes(node):
            yield from visit(child, typing_only)

    yield from visit(ast.parse(path.read_text()), False)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    own = room(path)
    for module, _ in imports(path):
        if module.startswith("annexshell."):
            target = room(ROOT / (module.replace(".", "/") + ".py"))
            known = (str(path.relative_to(PACKAGE).with_suffix("")), target) in KNOWN
            assert target == own or target in ALLOWED[own] or known, f"{own} may not import {module}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=name_of)
def test_each_room_says_what_it_may_know(path: Path) -> None:
    """At its door, where somebody new looks first."""
    said = ast.get_docstring(ast.parse(path.read_text()))
    assert said, f"{name_of(path)} needs a paragraph about the room"
    assert said[0].isupper() or said.startswith(("annexshell", "git")), said


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_pure_rooms_do_no_io(path: Path) -> None:
    if str(path.relative_to(PACKAGE)).startswith(PURE):
        used = {module.split(".")[0] for module, _ in imports(path)}
        assert not used & NOT_PURE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_cli_reads_the_environment(path: Path) -> None:
    if not room(path).startswith("cli"):
        text = path.read_text()
        assert "os.environ" not in text
        assert "os.getenv" not in text


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{node.name} has {length} lines"


def test_a_session_loads_little_before_it_greets(repo: Repo, shell: Path) -> None:
    script = shell.read_text().replace(
        "main()\n",
        "import os\n\nfrom annexshell.stream.blocking import FdStream\n\n"
        "def write(self, data):\n    os.write(2, ' '.join(sys.modules).encode())\n    os._exit(0)\n\n"
        "FdStream.write = write\nmain()\n",
    )
    probe = shell.with_name("probe")
    probe.write_text(script)
    probe.chmod(0o755)
    done = subprocess.run([probe, "p2pstdio", repo.path, CLIENT_UUID], capture_output=True, stdin=subprocess.DEVNULL)
    loaded = set(done.stderr.decode().split())
    assert "annexshell.serve.stdio" in loaded, done.stderr
    assert not loaded & set(TOO_SLOW)
    assert not {name for name in loaded if name.startswith(("annexshell.store", "annexshell.repo"))}
