"""Who may import whom, how large things may grow, and what a session may load: the rules of the house."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from annexshell.cli.admin.verbs import MODULES as VERBS
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
SERVER = {
    f"serve/http{room}" for room in ("", *"/http1 /repositories /access /api /git /browse /reporting /status".split())
}
ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "model": {"errors"},
    "wire": VALUES,
    "stream": {"errors"},
    "relay": {*VALUES, "stream"},
    "disk": {"errors"},
    "git": {*VALUES, "disk"},
    "net": {"errors", "wire", "stream"},
    "store": {*VALUES, "stream", "relay", "disk"},
    "annexlog": FILES,
    "policy": VALUES,
    "green": {"errors", "stream"},
    "repo": {*VALUES, "stream"},
    "repo/local": REPOSITORY,
    "repo/initialization": {*REPOSITORY, "repo/local"},
    "repo/nodes": {*REPOSITORY, "repo/local"},
    "repo/gateway": {*REPOSITORY, "repo/local", "repo/nodes"},
    "admin": {*REPOSITORY, *ROOMS},
    "serve": {*BYTES, "repo", "repo/local"},
    "serve/sockets": {*BYTES, *FILES, "serve"},
    "serve/http/http1": {*VALUES, "stream", "green"},
    "serve/http/repositories": {*HTTP, *FILES, "annexlog", "repo/gateway"},
    "serve/http/access": {*HTTP},
    "serve/http/api": {*HTTP, "serve/http/repositories", "serve/http/access"},
    "serve/http/git": {*HTTP, *FILES, "repo/initialization", *SERVER}
    - {"serve/http", "serve/http/status", "serve/http/browse"},
    "serve/http/browse": {*HTTP, *FILES, "store", "policy", "repo/gateway", *SERVER}
    - {"serve/http", "serve/http/status"},
    "serve/http/reporting": {*HTTP, "serve/http/repositories"},
    "serve/http/status": {*HTTP, "admin", "policy", *SERVER} - {"serve/http", "serve/http/api", "serve/http/browse"},
    "serve/http": {*HTTP, *SERVER},
    "cli": {*REPOSITORY, "green", "serve", "serve/sockets", *ROOMS},
    "cli/admin": {*REPOSITORY, "green", "serve", "serve/sockets", "cli", *ROOMS, "admin", *SERVER},
    "__main__": {"cli", "cli/admin"},
}
# Rooms that only compute: nothing in them can wait for anything.
PURE = ("model", "wire", "policy", "store/layout.py", "annexlog/lines.py", "annexlog/logs.py")
NOT_PURE = {"os", "time", "socket"}

# Modules that no ssh session on one local repository may load before it greets.
TOO_SLOW = (
    "gevent typing dataclasses logging argparse subprocess socket ssl json re enum importlib.metadata docopt".split()
)

MAX_MODULE, MAX_FUNCTION = 400, 45  # lines
MAX_PARAMETERS, MAX_ATTRIBUTES, MAX_METHODS = 8, 16, 20  # of a constructor, and of a class
MAX_ROOM = 16  # modules in a directory
# What is larger still. Nothing may be added.
TOO_LARGE = {
    ("policy/simulation/network.py", "Network", "methods"),
    ("store/locks.py", "ContentLocks", "methods"),
    ("store/worktree/unlocked.py", "Unlocked", "methods"),
}


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
            assert target == own or target in ALLOWED[own], f"{own} may not import {module}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=name_of)
def test_each_room_says_what_it_may_know(path: Path) -> None:
    """At its door, where somebody new looks first."""
    said = ast.get_docstring(ast.parse(path.read_text()))
    assert said, f"{name_of(path)} needs a paragraph about the room"
    assert said[0].isupper() or said.startswith(("annexshell", "git")), said


def _dotted(path: Path) -> str:
    inside = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(inside[:-1] if inside[-1] == "__init__" else inside)


def _imported_by_name(node: ast.AST, ours: Iterable[str]) -> set[str]:
    """Our modules that a call imports by name. Verbs are in a table; else it may be any that begins like the name."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
        return set()
    if node.func.id not in ("import_module", "__import__"):
        return set()
    parts = list(ast.walk(node.args[0]))
    if any(isinstance(part, ast.Name) and part.id == "MODULES" for part in parts):
        return set(VERBS.values())
    begin = next((str(part.value) for part in parts if isinstance(part, ast.Constant)), "")
    return {name for name in ours if begin and name.startswith(begin)}


def _graph() -> dict[str, set[str]]:
    """Which of our modules each one imports: at the top, inside functions, for types and by name."""
    graph: dict[str, set[str]] = {_dotted(path): set() for path in MODULES}
    for path in MODULES:
        own = _dotted(path)
        for node in ast.walk(ast.parse(path.read_text())):
            graph[own] |= _imported_by_name(node, graph)
            if isinstance(node, ast.Import):
                graph[own] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[own] |= names & set(graph) or {node.module or ""}
        graph[own] &= set(graph) - {own}
    return graph


def _reachable(graph: dict[str, set[str]], begin: str) -> set[str]:
    found: set[str] = set()
    ahead = [begin]
    while ahead:
        new = graph[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def test_no_modules_import_one_another() -> None:
    """Not even for types or inside functions: where two know each other, a third one holds what they share."""
    graph = _graph()
    reachable = {name: _reachable(graph, name) for name in graph}
    circular = {name for name in graph if name in reachable[name]}
    ties = sorted(f"{name} -> {other}" for name in circular for other in graph[name] if name in reachable[other])
    assert not circular, ties


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


def _stored(node: ast.ClassDef) -> set[str]:
    """The attributes that methods of a class set."""
    return {
        target.attr
        for target in ast.walk(node)
        if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store)
        if isinstance(target.value, ast.Name) and target.value.id == "self"
    }


@pytest.mark.parametrize("path", [path for path in MODULES if room(path).startswith("repo")], ids=name_of)
def test_nothing_of_a_repository_is_set_from_outside(path: Path) -> None:
    """What is made is complete, and only it itself changes it."""
    outside = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]
    assert outside == []


def _measured(node: ast.AST) -> Iterator[tuple[str, str, int, int]]:
    """What is measured of a function or class: (its name, of what, how many, how many at most)."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield node.name, "lines", (node.end_lineno or node.lineno) - node.lineno + 1, MAX_FUNCTION
    elif isinstance(node, ast.ClassDef):
        methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]
        yield node.name, "methods", len(methods), MAX_METHODS
        yield node.name, "attributes", len(_stored(node)), MAX_ATTRIBUTES
        for method in methods:
            if method.name == "__init__":
                yield node.name, "parameters", len(method.args.args) + len(method.args.kwonlyargs) - 1, MAX_PARAMETERS


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_functions_and_classes_stay_small(path: Path) -> None:
    inside = str(path.relative_to(PACKAGE))
    text = path.read_text()
    assert text.count("\n") <= MAX_MODULE
    larger = {
        (inside, name, what)
        for node in ast.walk(ast.parse(text))
        for name, what, number, most in _measured(node)
        if number > most
    }
    known = {known for known in TOO_LARGE if known[0] == inside}
    assert larger <= known, "this has grown too large"
    assert known <= larger, "this is small enough: take it off the list"


# Classes with one name that are still to be told apart. Nothing may be added.
NAMESAKES = {"Place"}


def test_no_two_classes_have_one_name() -> None:
    """Else nobody can search for one of them, or talk about it."""
    classes = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    assert {name for name, number in Counter(classes).items() if number > 1} <= NAMESAKES


def test_directories_stay_small() -> None:
    directories = {path.parent for path in MODULES}
    assert [name_of(path) for path in directories if len(list(path.glob("*.py"))) > MAX_ROOM] == []


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
