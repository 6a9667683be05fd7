"""The pages in docs/ say what is so: every option, verb, setting and variable, and none that does not exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
from functools import cache
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest
from docopt import docopt

from annexshell.cli import shell
from annexshell.cli.admin.repository import settings
from annexshell.cli.admin.serving.completion import all_verbs
from annexshell.cli.admin.serving.completion.usage import Verb
from annexshell.cli.admin.verbs import MODULES
from annexshell.serve.http.http1 import exchange
from annexshell.serve.oplog import OperationLog, who
from annexshell.wire.codec import parse
from tests.support.pages import DOCS, PAGES, ROOT, anchors, blocks, code, items, links, options, sections, text_of

OVERVIEW = text_of(DOCS / "annexshell.1.md")
P2PHTTP = text_of(DOCS / "annexshell-p2phttp.1.md")
SHELL = text_of(DOCS / "git-annex-shell.1.md")
VERBS = {verb.name: verb for verb in all_verbs()}


def own_page(verb: str) -> Path:
    return DOCS / f"annexshell-{verb}.1.md"


def names(verb: Verb) -> set[str]:
    return {name for option in verb.options for name in option.names}


@cache
def constants() -> list[str]:
    """All that the program has between quotes."""
    found = []
    for path in (ROOT / "annexshell").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
                found.append(node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
    return found


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_and_its_options(name: str) -> None:
    """A verb has its options in its own page, or in its section of the page about all."""
    found = sections(OVERVIEW)
    headings = [heading for heading in found if heading.split()[:2] == ["annexshell", name]]
    assert len(headings) == 1, f"annexshell(1) has no section for {name}"
    if own_page(name).exists():
        assert f"annexshell-{name}.1.md" in found[headings[0]]
        assert options(text_of(own_page(name))) == names(VERBS[name])
    else:
        common = options(found["OPTIONS"]) - {"--version"}
        assert options(found[headings[0]]) == names(VERBS[name]) - common


def test_there_are_no_other_verbs() -> None:
    described = [heading.split()[1] for heading in sections(OVERVIEW) if heading.startswith("annexshell ")]
    assert sorted(described) == sorted(MODULES) == sorted(VERBS)
    for page in DOCS.glob("annexshell-*.1.md"):
        assert page.name.removeprefix("annexshell-").removesuffix(".1.md") in VERBS


@pytest.mark.parametrize("name", VERBS)
def test_the_arguments_of_each_verb(name: str) -> None:
    """They are called as in its usage."""
    heading = next(heading for heading in sections(OVERVIEW) if heading.split()[:2] == ["annexshell", name])
    described = re.findall(r"\*([a-z]+)\*", heading)
    assert described == [value.name for value in VERBS[name].arguments]


def test_the_page_of_git_annex_shell() -> None:
    commands = [code(term)[0] for term, _ in items(sections(SHELL)["COMMANDS"])]
    assert sorted(commands) == sorted(shell._COMMANDS)
    for name in options(sections(SHELL)["OPTIONS"]) - {"-c"}:
        assert name in ("--uuid", "--force", "--help", "-h", "--version")


def test_settings() -> None:
    """What `annexshell settings` lists is what the page describes, and what else the program reads is named there."""
    found = sections(SHELL)
    described = {name for term, _ in items(found["GIT CONFIG"]) for name in code(term)}
    assert described == {name for name, _, _ in settings.GIT_CONFIG}
    hooks = {name for term, _ in items(found["HOOKS"]) for name in code(term)}
    assert {name for names, _ in settings.HOOKS for name in names.split(", ")} <= hooks
    read = {text.lower() for text in constants() if re.fullmatch(r"(annex|annexshell)\.[a-z][A-Za-z0-9.-]+[a-z]", text)}
    mentioned = {name.lower() for name in code(found["GIT CONFIG"])}
    assert read - {"annexshell.cli.admin."} <= mentioned
    known = " ".join(constants()).lower()
    for name in mentioned:
        last = name.removeprefix("remote.name.").removesuffix("name")
        assert last in known or not name.startswith(("annex", "remote.", "core.")), name


def test_variables() -> None:
    """Each environment variable that the program reads is described, and no other."""
    read = {text for text in constants() if re.fullmatch(r"(GIT_ANNEX|LISTEN|NOTIFY|WATCHDOG|SSH)_[A-Z0-9_]+", text)}
    read -= {"SSH_ORIGINAL_COMMAND", "SSH_CLIENT", "GIT_ANNEX_SHELL_"}  # what we write, or put together
    described = set()
    for page in PAGES:
        if "ENVIRONMENT" in (found := sections(text_of(page))):
            described |= {name for term, _ in items(found["ENVIRONMENT"]) for name in code(term)}
    described -= {"HOME", "PATH", "USER", "LOGNAME", "VISUAL", "EDITOR"}
    assert read <= described
    whole = "".join(constants())
    assert all(name in whole for name in described), described
    for name, _ in settings.ENVIRONMENT:
        assert name in described
    for page in [*PAGES, ROOT / "README.md"]:
        for name in re.findall(r"GIT_ANNEX_(?:SHELL|P2PHTTP)_[A-Z]+(?:_(?=[`*u]))?", text_of(page)):
            assert name in described, f"{page.name}: {name}"


def test_logs(tmp_path: Path) -> None:
    written = tmp_path / "log"
    everything = who({b"USER": b"x", b"SSH_CONNECTION": b"::1 1"}, b"client", b"repository", b"token") | {
        "key_fingerprint": "x"
    }
    message = parse(b"CHECKPRESENT SHA256-s1--aa")
    OperationLog(str(written).encode(), everything, print).write(message, 0, 0.0, "present")
    described = {name for term, _ in items(sections(SHELL)["THE LOG OF OPERATIONS"]) for name in code(term)}
    assert described == set(json.loads(written.read_text()))
    described = {name for term, _ in items(sections(P2PHTTP)["THE ACCESS LOG"]) for name in code(term)}
    assert described == written_in("serve/http/reporting/accesslog.py", r"[a-z]+") & described
    assert "499" in sections(P2PHTTP)["THE ACCESS LOG"]
    assert exchange._GONE == 499


def test_metrics() -> None:
    described = {name for term, _ in items(sections(P2PHTTP)["METRICS"]) for name in code(term)}
    assert described == written_in("serve/http/reporting/metrics.py", r"(?:annexshell|http|process)_[a-z_]+")


def written_in(path: str, pattern: str) -> set[str]:
    """The constants of a module that are of some form."""
    return set(re.findall(f'"({pattern})"', (ROOT / "annexshell" / path).read_text()))


def test_files() -> None:
    """All that the program keeps in a directory of its own is named."""
    text = (ROOT / "annexshell/model/ownfiles.py").read_text()
    kept = set(re.findall(r'b"(?:/|%b/)([a-z]+)(?:\.%b)?"', text)) - {"annexshell"}
    assert {"claims", "busy"} <= kept
    assert kept <= set(code(sections(SHELL)["FILES"]))


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for link in links(text_of(page)):
        if ":" not in link:
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            if anchor:
                assert anchor in anchors(text_of(target)), link


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_commands_that_are_shown_exist(page: Path) -> None:
    """Verbs and options; in blocks of code also as many arguments as there have to be."""
    text = text_of(page).replace(" \\\n", " ")
    for line in blocks(text):
        if line.startswith("annexshell "):
            words = shlex.split(line.partition(" >")[0], comments=True)[1:]
            check(words)
            docopt(import_module(MODULES[words[0]]).USAGE, words)
    for line in code(text):
        if line.startswith("annexshell "):
            check(line.split()[1:])


def check(words: list[str]) -> None:
    if words[0] not in ("--help", "--version", "VERB"):
        assert words[0] in VERBS, words
        known = {*names(VERBS[words[0]]), "-"}
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, words


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for words in (["addnode", "--no-such-option", "a", "b"], ["nosuch"]):
        with pytest.raises(AssertionError):
            check(words)


def test_tests_that_are_named_exist() -> None:
    named = [name for name in code(text_of(DOCS / "security.md")) if name.startswith("tests/")]
    assert len(named) > 20
    for name in named:
        path, _, function = name.partition("::")
        assert (ROOT / path).is_file(), name
        assert not function or f"def {function}(" in (ROOT / path).read_text(), name


def test_every_page_is_in_the_index() -> None:
    assert {DOCS / link for link in links(text_of(DOCS / "README.md")) if re.fullmatch(r"[^/]+\.md", link)} == {
        *PAGES
    } - {DOCS / "README.md"}  # fmt: skip


def test_the_picture() -> None:
    """It is sound, says in words what it shows, has colours for light and dark, and loads nothing."""
    text = text_of(DOCS / "architecture.svg")
    top = ElementTree.fromstring(text)
    assert {"title", "desc"} <= {child.tag.rpartition("}")[2] for child in top}
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"href|@import|<image|<script|url\((?!#)", text)
    assert "docs/architecture.svg" in text_of(ROOT / "README.md")
