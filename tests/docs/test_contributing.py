"""CONTRIBUTING.md and docs/architecture.md name only what exists, and all switches of the test suite."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.pages import DOCS, ROOT, code, text_of

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = [CONTRIBUTING, DOCS / "architecture.md"]
MODULES = [path for path in sorted((ROOT / "annexshell").rglob("*.py")) if path.name != "__init__.py"]
PLACES = [ROOT, ROOT / "annexshell"]  # that paths are below
NOT_OURS = {"os", "git", "annex", "core", "annexshell"}  # what dotted words of others begin with
# What the tests set themselves, for the programs that they start.
THEIRS = {"PATH", "FAULT_TRACE"}


@cache
def names() -> set[str]:
    """`module.name`, `Class` and `Class.method`, as the code has them."""
    found = set()
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.FunctionDef(name) | ast.AnnAssign(ast.Name(name)) | ast.Assign([ast.Name(name)]):
                    found.add(f"{path.stem}.{name}")
                case ast.ClassDef(name):
                    found |= {name, f"{path.stem}.{name}"}
                    found |= {f"{name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def is_there(path: str) -> bool:
    """Whether a path exists, in which words such as NAME and <room> stand for anything."""
    pattern = re.sub(r"<[a-z]+>|NAME", "*", path).rstrip("/")
    return any(any(place.glob(pattern)) for place in PLACES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_rooms_exist(page: Path) -> None:
    named = {text for text in code(text_of(page)) if re.fullmatch(r"[\w.<>/-]+(/|\.py|\.md)", text)}
    named |= {text for text in code(text_of(page)) if re.fullmatch(r"(tests|bin|contrib)/[\w/-]+", text)}
    assert len(named) > 10
    assert not {path for path in named if not is_there(path)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_functions_and_classes_exist(page: Path) -> None:
    dotted = {text for text in code(text_of(page)) if re.fullmatch(r"[A-Za-z_]\w*\.\w+", text)}
    dotted = {text for text in dotted if text.partition(".")[0] not in NOT_OURS and not text.endswith((".py", ".md"))}
    classes = {text for text in code(text_of(page)) if re.fullmatch(r"([A-Z][a-z]+){2,}", text)}
    assert dotted
    assert not (dotted | classes) - names()


def test_all_switches_of_the_suite_are_listed() -> None:
    read = set()
    for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "bin").iterdir()]:
        text = path.read_text()
        read |= set(re.findall(r'environ\.get\("([A-Z_]+)"', text))
        read |= set(re.findall(r'"([A-Z_]+)" (?:not )?in os\.environ', text))
        read |= set(re.findall(r"\$\{([A-Z_]+):-", text)) if path.name == "test" else set()
    table = text_of(CONTRIBUTING).partition("Environment variables of the suite:")[2].partition("\n## ")[0]
    described = {word.partition("=")[0] for word in code(table) if re.match(r"[A-Z_]+=", word)}
    assert described == read - THEIRS
