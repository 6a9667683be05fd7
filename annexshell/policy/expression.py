"""Preferred content expressions: text to a tree. Pure (Utility/Matcher.hs, Annex/FileMatcher.hs: tokenizeMatcher).

There is no precedence: `a or b and c` is `(a or b) and c`, and terms side by side are joined by `and`. So a tree is
made of folds, computed from left to right. Missing and surplus parentheses are forgiven.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACES = " \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_BLANKS = str.maketrans(dict.fromkeys(_SPACES, " ") | {"(": " ( ", ")": " ) "})
_MAX_DEPTH = 50  # nested parentheses; people write a handful


class BadExpression(ValueError):
    """An expression that can't be understood."""


class Term:
    """One condition, such as `copies=2`: its name, and the value behind the equals sign, or None."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: str | None) -> None:
        self.name = name
        self.value = value

    def __repr__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


class Step:
    """One step of a fold: an operand and how it is combined with what came before. A missing operand is None, and
    counts as true."""

    __slots__ = ("is_or", "negated", "operand")

    def __init__(self, is_or: bool, negated: bool, operand: Term | Fold | None) -> None:
        self.is_or = is_or
        self.negated = negated
        self.operand = operand


class Fold:
    """Steps to go through, beginning with true. A fold without steps is an empty expression, which says nothing."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, is_or: bool, negated: bool, operand: Term | Fold | None) -> None:
        empty = operand is None or (isinstance(operand, Fold) and not operand.steps)
        if empty and not is_or and not negated:
            return
        self.steps.append(Step(is_or, negated, None if empty else operand))


def tokens(text: str) -> list[str]:
    """The words of an expression; each parenthesis is a word."""
    return [word for word in text.translate(_BLANKS).split(" ") if word]


def parse(text: str) -> Fold:
    """Reads an expression. Its terms are not checked. Raises BadExpression if it is nested deeper than anybody would
    write."""
    groups = _groups(tokens(text))
    spaced: list[object] = []
    for item in groups:
        # Upstream joins neighbours by `and` only outside of all parentheses; within them a group that follows a term
        # continues what came before it, without an operator.
        if spaced and _is_operand(spaced[-1]) and _is_operand(item):
            spaced.append("and")
        spaced.append(item)
    return _fold(spaced)


def _is_operand(item: object) -> bool:
    return isinstance(item, list) or item not in ("and", "or", "not")


def _groups(words: list[str]) -> list[object]:
    """Nested lists for what is in parentheses."""
    stack: list[list[object]] = [[]]
    for word in words:
        if word == "(":
            group: list[object] = []
            stack[-1].append(group)
            stack.append(group)
            if len(stack) > _MAX_DEPTH:
                raise BadExpression("too many nested parentheses")
        elif word == ")":
            if len(stack) > 1:
                stack.pop()
        else:
            stack[-1].append(word)
    return stack[0]


def _fold(items: list[object]) -> Fold:
    fold = Fold()
    rest = iter(items)
    for item in rest:
        if isinstance(item, list):
            fold.steps += _fold(item).steps
        elif item in ("and", "or", "not"):
            _add_operator(fold, str(item), rest)
        else:
            fold.add(False, False, _term(str(item)))
    return fold


def _add_operator(fold: Fold, first: str, rest: Iterator[object]) -> None:
    """Adds an operator and what it applies to: perhaps more operators, and then an operand or nothing."""
    operators = [first]
    operand: Term | Fold | None = None
    for item in rest:
        if isinstance(item, list):
            operand = _fold(item)
        elif item in ("and", "or", "not"):
            operators.append(str(item))
            continue
        else:
            operand = _term(str(item))
        break
    negated = inside = made_true = False
    for operator in reversed(operators[1:]):
        if operator == "or":  # of something missing, so of true: only who negates what is left to know
            inside, negated, made_true = inside != negated, False, True
        elif operator == "not":
            negated = not negated
    if made_true:
        whole = Fold()
        whole.add(True, inside, operand)
        operand = whole
    fold.add(first == "or", negated != (first == "not"), operand)


def _term(word: str) -> Term:
    name, equals, value = word.partition("=")
    return Term(name, value if equals else None)
