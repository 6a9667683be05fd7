"""Text that others chose (clients, nodes, pushed branches, programs), made fit to be shown. Pure.

All that reaches a terminal, a log, a page or the text of an answer goes through here. Names in any script stay as they
are; what a terminal would obey, what turns the direction of text, and what is no UTF-8 becomes an escape: `\\x1b`.
"""

from __future__ import annotations

from annexshell.model.ids import WIDE_BLANKS

_LONGEST = 1000  # characters
_HARMLESS = frozenset(
    WIDE_BLANKS + "\u200c\u200d"
)  # Persian, Hindi and families of emoji are written with the last two
_ENDS = frozenset(" \t\n'\"`,;)]}>")  # of a path
_BEFORE = frozenset(" \t\n'\"`=([{<")


def visible(text: str | bytes, longest: int | None = _LONGEST, keep: str = "") -> str:
    """A text without anything that can't be seen, but for the characters to `keep`, and no longer than that."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if longest is not None:
        text = text[: longest + 1]
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in keep or c in _HARMLESS else _escaped(c) for c in text)
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "\u2026"
    return text


def _escaped(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def for_client(text: str) -> str:
    """A text as clients may see it: in one line, and without the paths of this machine."""
    return visible(_without_paths(text))


def _without_paths(text: str) -> str:
    pieces = []
    position = 0
    while (start := text.find("/", position)) >= 0:
        end = _path_end(text, start)
        if end is None:
            pieces.append(text[position : start + 1])
            position = start + 1
        else:
            pieces.append(text[position:start] + "\u2026")
            position = end
    return "".join([*pieces, text[position:]])


def _path_end(text: str, start: int) -> int | None:
    """Where the path ends that the slash at `start` begins; None if it begins none. One in quotes may have blanks."""
    before = text[start - 1 : start]
    is_url = before == ":" and text.startswith("//", start)
    if is_url or (before not in _BEFORE and before not in ("", ":")) or text[start + 1 : start + 2] in ("", *_ENDS):
        return None
    if before in ("'", '"', "`") and (quote := text.find(before, start)) >= 0:
        return quote
    end = start
    while end < len(text) and text[end] not in _ENDS and text[end : end + 2] != ": ":
        end += 1
    return end - 1 if text[end - 1] in ".:" else end


def without_hosts(text: str, host: str, name: str) -> str:
    """What ssh says, as clients may see it: a host is called by the name of the node, and addresses are left out."""
    if host:
        text = text.replace(host, name)
    return " ".join("\u2026" if _is_address(word.strip("[](),;")) else word for word in text.split(" "))


def _is_address(word: str) -> bool:
    parts = word.rstrip(".:").split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        return True
    return word.count(":") > 1 and not word.strip("0123456789abcdefABCDEF:.")
