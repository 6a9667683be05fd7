"""Preferred and required content expressions, evaluated: whether a repository wants a key. Pure.

Upstream: Annex/FileMatcher.hs, Utility/Matcher.hs, Logs/PreferredContent.hs. If an expression, or a part of it, can't
be understood, the repository wants what it already has and nothing else, since a newer git-annex may have written it.
The same holds for an expression that takes too long to evaluate.
"""

from __future__ import annotations

from functools import lru_cache

from annexshell.policy.expression import BadExpression, Fold, Term, parse, tokens
from annexshell.policy.glob import BadGlob
from annexshell.policy.groups import STANDARD
from annexshell.policy.snapshot import Snapshot, SnapshotSource, TooMuchWork
from annexshell.policy.terms import UNSTABLE, BadTerm, anything, nothing, present, test_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from annexshell.policy.snapshot import Subject, Test

_parse = lru_cache(maxsize=1024)(parse)
_MAX_LENGTH = 32768  # characters; longer expressions count as not understood
_REMEMBERED_LENGTH = 1024  # characters of expressions whose tree is kept
_SYNTAX = ("and", "or", "not", "(", ")")
_EXPANDED = ("standard", "groupwanted")


def wants(subject: Subject, uuid: bytes, default: bool = True) -> bool:
    """Whether a repository wants the content; `default` is the answer if it has not said what it wants."""
    snapshot = subject.snapshot
    test = wish_of(snapshot, uuid)
    if test is None:
        return default
    answer = subject.answers.get(test)
    if answer is None:
        subject.start()
        try:
            answer = test(subject)
        except TooMuchWork:
            subject.too_much.add(uuid)
            answer = present(subject)
        subject.answers[test] = answer
    return bool(answer & snapshot.bit(uuid))


def wish_of(snapshot: Snapshot, uuid: bytes) -> Test | None:
    """What a repository wants; None if it has not said. Those that say the same have the same test."""
    try:
        return snapshot.wanted[uuid]
    except KeyError:
        test = snapshot.wanted[uuid] = _shared(snapshot, uuid)
        return test


def _check_length(text: str) -> None:
    """Raises BadExpression for one that is too long to be read in time; nobody would write that."""
    if len(text) > _MAX_LENGTH:
        raise BadExpression(f"an expression of over {_MAX_LENGTH} characters")


def explain_failure(text: str) -> str | None:
    """Why an expression can't be used, as upstream puts it; None if it can."""
    failures: list[str] = []
    try:
        _check_length(text)
    except BadExpression as failure:
        return f"Parse failure: {failure}"
    nowhere = Snapshot(SnapshotSource())
    for word in tokens(text):
        name, equals, value = word.partition("=")
        if word in _SYNTAX or word in _EXPANDED:
            continue
        try:
            test_of(Term(name, value if equals else None), nowhere)
        except (BadTerm, BadGlob) as failure:
            failures.append(f"Parse failure: {failure}")
    if not failures:
        try:
            parse(text)
        except BadExpression as failure:
            failures.append(f"Parse failure: {failure}")
    return " ".join(failures) or None


def _shared(snapshot: Snapshot, uuid: bytes) -> Test | None:
    expressions = snapshot.expressions
    texts = [text for text in (expressions.preferred.get(uuid), expressions.required.get(uuid)) if text is not None]
    groups: Collection[str] = ()
    if any(name in text for text in texts for name in _EXPANDED):  # these mean something else in other groups
        groups = frozenset(snapshot.repositories.groups.get(uuid, ()))
    said = (*texts, groups)
    if said not in snapshot.compiled:
        snapshot.compiled[said] = _compile(snapshot, texts, groups)
    return snapshot.compiled[said]


def _compile(snapshot: Snapshot, texts: list[str], groups: Collection[str]) -> Test | None:
    """Makes a test of up to two expressions of repositories in these groups: what they want and what they require,
    which they also want. None if the expressions say nothing."""
    compilers = [_Compiler(snapshot, groups) for _ in texts]
    try:
        tests = [compiler.expression(text) for compiler, text in zip(compilers, texts)]
    except (BadExpression, BadGlob, BadTerm):
        return present
    if any(compiler.negates_unstable for compiler in compilers):
        return nothing
    said = [test for test in tests if test is not None]
    if len(said) == 2:
        return _either(*said)
    return said[0] if said else None


def _either(one: Test, other: Test) -> Test:
    return lambda subject: one(subject) | other(subject)


class _Compiler:
    """Makes a test of one expression of repositories in some groups. `expandable` are the terms that may still be
    expanded: `groupwanted` inside its own expansion would go on for ever."""

    def __init__(self, snapshot: Snapshot, groups: Collection[str], expandable: tuple[str, ...] = _EXPANDED) -> None:
        self._snapshot = snapshot
        self._groups = groups
        self._expandable = expandable
        self._expanded: dict[str, tuple[Test, bool]] = {}
        self.unstable = False  # whether it has a term that must not be negated
        self.negates_unstable = False

    def expression(self, text: str) -> Test | None:
        """The test of an expression; None if that says nothing. Raises BadExpression, BadGlob, BadTerm."""
        _check_length(text)
        fold = (_parse if len(text) <= _REMEMBERED_LENGTH else parse)(text)
        return self._fold(fold, False) if fold.steps else None

    def _fold(self, fold: Fold, negated: bool) -> Test:
        steps = [
            (step.is_or, step.negated, self._operand(step.operand, negated != step.negated)) for step in fold.steps
        ]
        if len(steps) == 1 and steps[0][:2] == (False, False):
            return steps[0][2]

        def test(subject: Subject) -> int:
            subject.spend(len(steps))
            value = -1
            for is_or, is_negated, operand in steps:
                if is_or:
                    if value != -1:
                        value |= ~operand(subject) if is_negated else operand(subject)
                elif value:
                    value &= ~operand(subject) if is_negated else operand(subject)
            return value

        return test

    def _operand(self, operand: Term | Fold | None, negated: bool) -> Test:
        if operand is None:
            return anything
        if isinstance(operand, Fold):
            return self._fold(operand, negated)
        if operand.value is None and operand.name in _EXPANDED:
            if operand.name not in self._expanded:
                self._expanded[operand.name] = self._expand(operand.name)
            test, unstable = self._expanded[operand.name]
        else:
            test, unstable = test_of(operand, self._snapshot), operand.name in UNSTABLE
        self.unstable |= unstable
        self.negates_unstable |= unstable and negated
        return test

    def _expand(self, name: str) -> tuple[Test, bool]:
        """The test that `standard` or `groupwanted` stands for, and whether it must not be negated."""
        expressions = STANDARD if name == "standard" else self._snapshot.expressions.by_group
        found = [expressions[group] for group in self._groups if group in expressions]
        if name not in self._expandable or len(found) != 1:
            return present, True
        compiler = _Compiler(self._snapshot, self._groups, () if name == "standard" else ("standard",))
        return compiler.expression(found[0]) or anything, compiler.unstable
