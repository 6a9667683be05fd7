"""What verbs ask of their words."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from docopt import docopt

from annexshell.cli.admin.options import Options
from annexshell.cli.admin.verbs import MODULES
from tests.conftest import ROOT

USAGE = """Usage: verb [--flag] [--limit=N] [--name=NAME] [--add=NODE]... <key> [<file>]

  --name=NAME  [default: nobody]
"""


@pytest.fixture
def options() -> Options:
    return Options(docopt(USAGE, ["--flag", "--add=a", "--add=b", "k"]))


def test_types(options: Options) -> None:
    assert options.flag("--flag")
    assert options.given("--limit") is options.given("<file>") is None
    assert (options.text("--name"), options.text("<key>")) == ("nobody", "k")
    assert options.texts("--add") == ["a", "b"]


def test_mistakes_of_ours(options: Options) -> None:
    for ask in (options.flag, options.texts):
        with pytest.raises(TypeError):
            ask("<key>")
    for name in ("--flag", "--add"):
        with pytest.raises(TypeError):
            options.given(name)
    with pytest.raises(TypeError):
        options.text("<file>")
    with pytest.raises(KeyError):
        options.flag("--other")


@pytest.mark.parametrize("verb", sorted(MODULES))
def test_verbs_ask_for_what_their_usage_has(verb: str) -> None:
    """And for nothing else, by the names in their source."""
    module = import_module(MODULES[verb])
    source = Path(module.__file__ or "").read_text()
    asked = set(re.findall(r'options\.(?:flag|given|text|texts)\("([^"]+)"\)', source))
    assert all(name in module.USAGE for name in asked), asked


def test_nobody_takes_untyped_options() -> None:
    untyped = [
        path.name
        for path in sorted((ROOT / "annexshell/cli/admin").rglob("*.py"))
        if "p2phttp" not in path.parts and "dict[str, Any]) -> int" in path.read_text()
    ]
    assert untyped == []
