"""Globs as git-annex matches them: pure, and in time linear in what they are matched against.

Upstream (Utility/Glob.hs) turns a glob into a POSIX regular expression, which shows in places: what closes a bracket,
that one slash of a path's glob matches several, and that quotes and angle brackets are anchors, so that `it's`
matches nothing at all. All of that is kept, since a cluster and its clients have to agree on who wants a file.

A glob is simulated as an automaton whose states are the bits of one integer. Globs come out of a log that others push,
and the texts from clients, so that backtracking could be made to take forever. The caller limits the work: `spend` is
called with the number of the next steps, about a third of a microsecond each, and may raise.
"""

from __future__ import annotations

from bisect import bisect
from functools import lru_cache
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits, punctuation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Test = Callable[[str], bool]
    Spend = Callable[[int], object]

# Kinds of places: one that matches one character, one that matches any number of them, and those that match nothing but
# only at the end and the start of the text, and at the start and the end of a word.
_ONE, _LOOP = "one", "loop"
_ANCHORS = "'`<>"
_MAX_LENGTH = 4096  # characters
_REMEMBERED_LENGTH = 256  # characters of globs that are kept compiled; longer ones would take much memory
_PIECE = 1024  # characters between two calls of `spend`
_MOST_KNOWN = 16  # texts whose answer a glob remembers
_WIDE = 512  # places; for as many, each character costs one step more
_ANYTHING: Test = bool  # true of any character, since none is empty
_NOTHING: Test = "".__eq__
_WORD = set(ascii_letters + digits + "_")
_CLASSES = {
    "alnum": ascii_letters + digits,
    "alpha": ascii_letters,
    "blank": " \t",
    "cntrl": "".join(map(chr, [*range(32), 127])),
    "digit": digits,
    "graph": ascii_letters + digits + punctuation,
    "lower": ascii_lowercase,
    "print": ascii_letters + digits + punctuation + " ",
    "punct": punctuation,
    "space": " \t\n\v\f\r",
    "upper": ascii_uppercase,
    "word": ascii_letters + digits + "_",
    "xdigit": digits + "abcdefABCDEF",
}


class BadGlob(ValueError):
    """A glob that can't be read."""


class Glob:
    """A compiled glob. If it is for a `path`, a slash in it matches any number of slashes. Raises BadGlob."""

    def __init__(self, text: str, path: bool = True, ignore_case: bool = False) -> None:
        if len(text) > _MAX_LENGTH:
            raise BadGlob("a glob that is longer than any name")
        self._ignore_case = ignore_case
        steps = _parse(_translate(text, path))
        self._loops = _places(steps, _LOOP)
        self._anchors = {anchor: _places(steps, anchor) for anchor in _ANCHORS}
        self._has_anchors = any(self._anchors.values())
        self._end = 1 << len(steps)
        self._literals: dict[str, int] = {}  # the places that match just one character,
        self._classes: dict[Test, int] = {}  # those that match characters by a test, and
        self._masks: dict[str, int] = {}  # all that match a character
        for place, (_, test) in enumerate(steps):
            literal = getattr(test, "__self__", None)
            if isinstance(literal, str):
                self._literals[literal] = self._literals.get(literal, 0) | 1 << place
            else:
                self._classes[test] = self._classes.get(test, 0) | 1 << place
        self._weight = 1 + len(steps) // _WIDE  # steps for each character
        self._known: dict[str, bool] = {}

    def matches(self, text: str, spend: Spend = id) -> bool:
        """Whether the glob matches the whole text, or a line of it if it has several."""
        found = self._known.get(text)
        if found is None:
            found = any(self._matches_line(line, spend) for line in text.split("\n"))
            if len(text) <= _MAX_LENGTH:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[text] = found
        return found

    def _matches_line(self, line: str, spend: Spend) -> bool:
        masks, loops, state = self._masks, self._loops, 1
        for start in range(0, len(line) or 1, _PIECE):
            piece = line[start : start + _PIECE]
            spend(1 + len(piece) * self._weight)
            for position, character in enumerate(piece, start):
                state = self._skip(state, line, position)
                mask = masks.get(character)
                moved = state & (self._mask(character, spend) if mask is None else mask)
                state = (moved & ~loops) << 1 | (moved & loops)
                if not state:
                    return False
        return bool(self._skip(state, line, len(line)) & self._end)

    def _skip(self, state: int, line: str, position: int) -> int:
        """Adds the places that are reached by passing over what may match nothing."""
        empty = self._loops
        if self._has_anchors:
            empty |= self._anchors_at(line, position)
        while True:
            more = state | (state & empty) << 1
            if more == state:
                return state
            state = more

    def _mask(self, character: str, spend: Spend) -> int:
        spend(1 + 2 * len(self._classes))
        variants = {character, character.lower(), character.upper()} if self._ignore_case else {character}
        mask = 0
        for variant in variants:
            mask |= self._literals.get(variant, 0)
        for test, places in self._classes.items():
            if any(map(test, variants)):
                mask |= places
        if len(self._masks) < 1000:
            self._masks[character] = mask
        return mask

    def _anchors_at(self, line: str, position: int) -> int:
        before = position > 0 and line[position - 1] in _WORD
        after = position < len(line) and line[position] in _WORD
        holds = {"'": position == len(line), "`": position == 0, "<": after and not before, ">": before and not after}
        return sum(places for anchor, places in self._anchors.items() if holds[anchor])


def compile_glob(text: str, path: bool = True, ignore_case: bool = False) -> Glob:
    """A Glob, remembered unless it is long. Raises BadGlob."""
    return (_remembered if len(text) <= _REMEMBERED_LENGTH else Glob)(text, path, ignore_case)


_remembered = lru_cache(maxsize=4096)(Glob)


def _places(steps: list[tuple[str, Test]], kind: str) -> int:
    return sum(1 << place for place, step in enumerate(steps) if step[0] == kind)


def _translate(glob: str, path: bool) -> str:
    """The regular expression that upstream makes of a glob."""
    regex: list[str] = []
    in_bracket = False
    rest = iter(glob)
    for character in rest:
        if in_bracket:
            in_bracket = character != "]"
            regex.append("\\\\" if character == "\\" else character)
        elif character == "[":
            in_bracket = True
            regex.append("[")
        elif (path and character == "/") or character == "\\":
            regex.append(f"[{character}]+")
        else:
            regex.append({"*": ".*", "?": "."}.get(character, character if character.isalnum() else "\\" + character))
    return "".join(regex)


def _parse(regex: str) -> list[tuple[str, Test]]:
    """The places of the automaton: the kind of each, and which characters it matches."""
    steps: list[tuple[str, Test]] = []
    brackets: dict[str, Test] = {}
    anchors: set[str] = set()  # just before
    position = 0
    while position < len(regex):
        start = position
        kind, test, position = _atom(regex, position)
        if regex[start] == "[":
            test = brackets.setdefault(regex[start:position], test)
        if kind in anchors:  # a second one of a kind says nothing new
            continue
        anchors = {*anchors, kind} if kind in _ANCHORS else set()
        quantifier = regex[position : position + 1]
        repeated = quantifier in ("*", "+")
        position += repeated
        if quantifier != "*" and (kind == _ONE or steps[-1:] != [(kind, test)]):
            steps.append((kind, test))
        if repeated and steps[-1:] != [(_LOOP, test)]:
            steps.append((_LOOP, test))
    return steps


def _atom(regex: str, position: int) -> tuple[str, Test, int]:
    """Reads one atom of the regular expression: (its kind, which characters it matches, the position behind it)."""
    character = regex[position]
    if character == ".":
        return _ONE, _ANYTHING, position + 1
    if character == "[":
        test, position = _bracket(regex, position + 1)
        return _ONE, test, position
    if character == "\\":
        escaped = regex[position + 1]
        if escaped in _ANCHORS:
            return escaped, _NOTHING, position + 2
        return _ONE, escaped.__eq__, position + 2
    return _ONE, character.__eq__, position + 1


def _bracket(regex: str, position: int) -> tuple[Test, int]:
    """Reads a bracket; `position` is behind its `[`. Returns (which characters it matches, the position behind it).
    Raises BadGlob."""
    invert = regex[position : position + 1] in ("!", "^")
    position += invert
    chars: set[str] = set()
    ranges: list[tuple[str, str]] = []
    if regex[position : position + 1] in ("]", "-"):
        chars.add(regex[position])
        position += 1
    else:
        position = _element(regex, position, chars, ranges)
    while regex[position : position + 1] != "]":
        position = _element(regex, position, chars, ranges)

    starts, ends = _merged(ranges)

    def matches(character: str) -> bool:
        place = bisect(starts, character)
        return (character in chars or (place > 0 and character <= ends[place - 1])) != invert

    return matches, position + 1


def _merged(ranges: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Merges ranges that overlap; returns their first and their last characters, both sorted."""
    starts: list[str] = []
    ends: list[str] = []
    for low, high in sorted(ranges):
        if ends and low <= ends[-1]:
            ends[-1] = max(ends[-1], high)
        else:
            starts.append(low)
            ends.append(high)
    return starts, ends


def _element(regex: str, position: int, chars: set[str], ranges: list[tuple[str, str]]) -> int:
    """Reads one element of a bracket into `chars` or `ranges`; returns the position behind it. Raises BadGlob."""
    for kind in (":", "=", "."):
        end = regex.find(kind + "]", position + 2)
        if regex[position : position + 2] == "[" + kind and end > position + 2:
            name = regex[position + 2 : end]
            chars.update(_CLASSES.get(name, "") if kind == ":" else name)
            return end + 2
    low, dash, high = (
        regex[position : position + 1],
        regex[position + 1 : position + 2],
        regex[position + 2 : position + 3],
    )
    if dash == "-" and high not in ("", "]"):
        if low > high:
            raise BadGlob(f"a range from {low} down to {high}")
        ranges.append((low, high))
        return position + 3
    if low in ("", "]"):
        raise BadGlob("a [ without its ]")
    chars.add(low)
    return position + 1
