"""docs/errors.md has every message that a person can meet, and none that is gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from annexshell.serve.http.api.refusals import _STATUSES
from annexshell.serve.http.http1.exchange import _REASONS
from tests.support.pages import DOCS, ROOT, code, items, sections, text_of

TEXT = text_of(DOCS / "errors.md")
CLASSES = {node.name for node in ast.parse((ROOT / "annexshell/errors.py").read_text()).body
           if isinstance(node, ast.ClassDef)} - {"doing", "Cause"}  # fmt: skip
RAISED = {*CLASSES, "Malformed", "BadScript"}
# What only the fake repository and tests say, and where something else says it already.
NOT_MET = {"repo/memory.py", "stream/memory.py"}
VARIES = "…"


def template(node: ast.expr) -> str:
    """What is constant of a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return template(node.left) + template(node.right)
    return VARIES


def raised() -> Iterator[tuple[str, str]]:
    """Places in the program, and the messages that are raised there. Lines behind the first are usage."""
    for path in sorted((ROOT / "annexshell").rglob("*.py")):
        place = str(path.relative_to(ROOT / "annexshell"))
        for node in ast.walk(ast.parse(path.read_text())) if place not in NOT_MET else ():
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                called = node.exc.func
                is_rule = place == "serve/http/access/rules.py" and isinstance(called, ast.Name)
                if node.exc.args and isinstance(called, ast.Name) and (called.id in RAISED or is_rule):
                    yield f"{place}:{node.lineno}", template(node.exc.args[-1]).split("\n")[0]


@cache
def documented() -> str:
    return "\n".join(code(TEXT))


def test_every_message_is_there() -> None:
    missing = [(place, text) for place, text in raised()
               if len(re.findall(r"[a-z]", text)) > 8 and text not in documented()]  # fmt: skip
    assert not missing, "docs/errors.md does not say what these mean"


def test_every_message_is_still_one() -> None:
    """What is constant of it is somewhere in the program."""
    whole = []
    for path in (ROOT / "annexshell").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                whole.append(template(node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
                whole.append(node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
    said = "\n".join(whole)
    for name, text in sections(TEXT).items():
        for term, _ in items(text) if name != "What doctor says" else ():
            for message in code(term):
                for piece in message.split(VARIES):
                    assert piece.strip(" ():,.;") in said or piece.isdigit(), f"{message}: {piece!r} is said nowhere"


def test_every_kind_of_error_has_a_section() -> None:
    named = re.findall(r"^\*([A-Z][A-Za-z, ]+)\.\*", TEXT, re.MULTILINE) + re.findall(
        r"^\*([A-Z][A-Za-z, ]+)\*", TEXT, re.MULTILINE
    )
    found = {word for words in named for word in words.split(", ")}
    kinds = {"AnnexshellError", "ContentError"}  # never raised themselves
    assert found - {"BadScript"} == CLASSES - kinds


def test_every_status_is_there() -> None:
    described = {int(text) for term, _ in items(sections(TEXT)["HTTP statuses"]) for text in code(term)}
    assert {status for _, status in _STATUSES} <= described
    assert {status for status in _REASONS if status not in (100, 204)} == described


def test_every_check_of_doctor_is_there() -> None:
    """In both pages, as it is called in its output."""
    checks = set()
    for path in (ROOT / "annexshell/cli/admin/watching/doctor").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Name("Finding" | "_guarded"), [ast.Constant(name), *_]):
                    checks.add(name)
    assert len(checks) > 10
    manual = sections(text_of(DOCS / "annexshell-doctor.1.md"))["CHECKS"]
    for text in (manual, sections(TEXT)["What doctor says"]):
        assert {name for term, _ in items(text) for name in code(term)} == checks
