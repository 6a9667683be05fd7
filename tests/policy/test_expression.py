"""The parser, against a model that follows upstream's rules one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.policy.expression import BadExpression, Fold, Term, parse, tokens

Tree = object  # None for what is always true; "and", "or", "not" with operands; the name of a term


def process(tree: Tree, items: list[object]) -> Tree:
    while items:
        tree, items = consume(tree, items)
    return tree


def consume(tree: Tree, items: list[object]) -> tuple[Tree, list[object]]:
    if not items:
        return tree, []
    first, *rest = items
    if isinstance(first, list):
        return process(tree, first), rest
    if first in ("and", "or", "not"):
        operand, rest = consume(None, rest)
        if first == "or":
            return ("or", tree, operand), rest
        return ("and", tree, operand if first == "and" else ("not", operand)), rest
    return ("and", tree, first), rest


def groups(words: list[str]) -> list[object]:
    items: list[object] = []
    while words:
        word = words.pop(0)
        if word == "(":
            items.append(until_closed(words))
        elif word != ")":
            items.append(word)
    return items


def until_closed(words: list[str]) -> list[object]:
    items: list[object] = []
    while words:
        word = words.pop(0)
        if word == ")":
            break
        items.append(until_closed(words) if word == "(" else word)
    return items


def joined(items: list[object]) -> list[object]:
    result: list[object] = []
    for item in items:
        if result and item not in ("and", "or", "not") and result[-1] not in ("and", "or", "not"):
            result.append("and")
        result.append(item)
    return result


def model(tree: Tree, facts: dict[str, bool]) -> bool:
    if tree is None:
        return True
    if isinstance(tree, str):
        return facts[tree]
    assert isinstance(tree, tuple)
    values = [model(operand, facts) for operand in tree[1:]]
    folds: dict[object, Callable[[list[bool]], bool]] = {"and": all, "or": any, "not": lambda v: not v[0]}
    return folds[tree[0]](values)


def value(operand: Term | Fold | None, facts: dict[str, bool]) -> bool:
    if operand is None:
        return True
    if isinstance(operand, Term):
        return facts[repr(operand)]
    result = True
    for step in operand.steps:
        now = value(step.operand, facts) != step.negated
        result = (result or now) if step.is_or else (result and now)
    return result


@given(st.lists(st.sampled_from(["and", "or", "not", "(", ")", "a", "b=1", "c"]), max_size=25), st.data())
def test_parses_as_upstream_does(words: list[str], data: st.DataObject) -> None:
    facts = {name: data.draw(st.booleans()) for name in ("a", "b=1", "c")}
    assert value(parse(" ".join(words)), facts) == model(process(None, joined(groups(list(words)))), facts)


def test_parentheses_and_blanks_separate_words() -> None:
    assert tokens("a(b)  c\u2003d\u0085e") == ["a", "(", "b", ")", "c", "d\u0085e"]


@given(st.binary())
def test_nothing_breaks_it(text: bytes) -> None:
    assert isinstance(parse(text.decode("utf-8", "surrogateescape")), Fold)


def test_long_expressions_need_no_stack() -> None:
    assert len(parse(" or ".join(["a"] * 50000)).steps) == 50000
    assert parse("not " * 50001 + "a").steps[0].negated
    assert parse("a and " + "or not " * 50000 + "a").steps[1].operand is not None
    with pytest.raises(BadExpression, match="parentheses"):
        parse("( not " * 5000 + "a")
