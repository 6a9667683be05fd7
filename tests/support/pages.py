"""The pages in docs/, taken apart: sections, items, code and links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
MAN_PAGES = sorted(DOCS.glob("*.[1-8].md"))

_CODE = re.compile(r"``(.+?)``|`([^`]+)`", re.DOTALL)
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*[a-z]|-[A-Za-z])(?![\w-])")
_LINK = re.compile(r"\[[^][]+\]\(([^)\s]+)\)")
_ANCHOR = re.compile(r"[^\w\- ]")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """What is below each heading, up to the next one of any level."""
    found: dict[str, str] = {}
    heading = ""
    for line in prose(text).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
            assert heading not in found, f"two headings {heading}"
            found[heading] = ""
        elif heading:
            found[heading] += line + "\n"
    return found


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def blocks(text: str) -> list[str]:
    """The lines of the blocks of code, without their indentation."""
    return [line[4:] for line in text.splitlines() if line.startswith("    ")]


def items(text: str) -> list[tuple[str, str]]:
    """The items that begin with code: what is in front of the first colon outside of code, and what is behind it."""
    found = []
    for item in re.split(r"^ *- ", text, flags=re.MULTILINE)[1:]:
        body = item.split("\n\n")[0]
        if body.startswith("`"):
            hidden = _CODE.sub(lambda match: "x" * len(match[0]), body)
            end = hidden.find(": ")
            end = hidden.find(":\n") if end < 0 else end
            if end >= 0:
                found.append((body[:end], body[end + 1 :].strip()))
    return found


def code(text: str) -> list[str]:
    """What stands in code, each in one line."""
    return [" ".join((match[1] or match[2]).split()) for match in _CODE.finditer(text)]


def options(text: str) -> set[str]:
    """The options that items of a text describe."""
    return {name for term, _ in items(text) for piece in code(term) for name in _OPTION.findall(piece)}


def links(text: str) -> list[str]:
    return _LINK.findall(text)


def anchors(text: str) -> set[str]:
    """What links to a page's headings are made of, as is usual."""
    return {_ANCHOR.sub("", heading.lower()).replace(" ", "-") for heading in sections(text)}
