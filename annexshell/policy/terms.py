"""What the single terms of preferred content expressions mean. Pure (Limit.hs, Annex/FileMatcher.hs).

A term is made once into a test, which is then asked about many keys and answers for all repositories at once (see
snapshot.Snapshot). Most say the same about all of them. Without a file name `include` is false and `exclude` therefore
true.
"""

from __future__ import annotations

from operator import ge, gt, le, lt

from annexshell.model.amounts import leading_integer, parse_number, parse_size
from annexshell.policy.balance import picks
from annexshell.policy.glob import compile_glob
from annexshell.policy.snapshot import TRUST_LEVELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from annexshell.policy.expression import Term
    from annexshell.policy.glob import Spend
    from annexshell.policy.snapshot import Snapshot, Subject, Test

    Condition = Callable[[Subject], bool]

# Negated, these would move content back and forth for ever, so an expression that negates one is never true.
UNSTABLE = ("present", "balanced", "sizebalanced")


class BadTerm(ValueError):
    """A term that can't be understood; its text is upstream's."""


def test_of(term: Term, snapshot: Snapshot) -> Test:
    """Makes a test of a term. Raises BadTerm, BadGlob."""
    if term.value is None and term.name in _PLAIN:
        return _PLAIN[term.name]
    if term.name in _CONDITIONS:
        return _about_all(_CONDITIONS[term.name](term.value or "", snapshot))
    if term.name in _CHOICES:
        return _CHOICES[term.name](term.value or "", snapshot)
    raise BadTerm(f"near {quoted(str(term))}")


def _about_all(condition: Condition) -> Test:
    return lambda subject: -1 if condition(subject) else 0


def quoted(text: str) -> str:
    """A text as upstream shows it in messages."""
    return '"' + "".join(_shown(character) for character in text) + '"'


def _shown(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if " " <= character <= "~" else f"\\{ord(character)}"


def anything(_subject: Subject) -> int:
    return -1


def nothing(_subject: Subject) -> int:
    return 0


def present(subject: Subject) -> int:
    return subject.present_mask


def _in_preferred_directory(subject: Subject) -> int:
    if subject.file is None:
        return 0
    path, slash, _ = subject.file.rpartition("/")
    # Upstream compares with all parents, but those above the last one end in a slash for it.
    *parents, last = (path.rstrip("/") if slash else ".").split("/")
    return subject.snapshot.with_directory({last, *(f"{parent}/" for parent in parents)})


def _include(value: str, _snapshot: Snapshot) -> Condition:
    glob = compile_glob(value)
    return lambda subject: subject.file is not None and glob.matches(subject.file, subject.spend)


def _exclude(value: str, _snapshot: Snapshot) -> Condition:
    glob = compile_glob(value)
    return lambda subject: subject.file is None or not glob.matches(subject.file, subject.spend)


def _size(value: str) -> int:
    size = parse_size(value)
    if size is None:
        raise BadTerm("bad size")
    return size


def _larger(value: str, _snapshot: Snapshot) -> Condition:
    size = _size(value)
    return lambda subject: subject.key.size is not None and subject.key.size > size


def _smaller(value: str, _snapshot: Snapshot) -> Condition:
    size = _size(value)
    return lambda subject: subject.key.size is None or subject.key.size < size


def _copies(value: str, snapshot: Snapshot) -> Condition:
    *kinds, number = value.split(":")
    if len(kinds) > 1:
        raise BadTerm("bad value for copies")
    needed = leading_integer(number)
    if needed is None:
        raise BadTerm("bad number for copies")
    if not kinds:
        return lambda subject: len(subject.copies) >= needed
    counts = _counted(kinds[0], snapshot)

    def enough(subject: Subject) -> bool:
        subject.spend(len(subject.copies))
        return sum(map(counts, subject.copies)) >= needed

    return enough


def _counted(kind: str, snapshot: Snapshot) -> Callable[[bytes], bool]:
    """Which repositories a kind of copies counts: those of a trust level, or of a better one too (`trusted+`), or else
    those in a group."""
    level = TRUST_LEVELS.get(kind.removesuffix("+"))
    if level is None:
        members = snapshot.member_set(kind)
        return lambda uuid: uuid in members
    if kind.endswith("+"):
        return lambda uuid: snapshot.trust_of(uuid) >= level
    return lambda uuid: snapshot.trust_of(uuid) == level


def _lacking(value: str, _snapshot: Snapshot) -> Condition:
    needed = _lacking_number(value)
    return lambda subject: subject.copies_wanted - len(subject.reliable_copies) >= needed


def _approximately_lacking(value: str, snapshot: Snapshot) -> Condition:
    needed = _lacking_number(value)
    return lambda subject: snapshot.copies - len(subject.reliable_copies) >= needed


def _lacking_number(value: str) -> int:
    needed = leading_integer(value)
    if needed is None:
        raise BadTerm("bad value for number of lacking copies")
    return needed


def _in_all_group(value: str, snapshot: Snapshot) -> Condition:
    members = snapshot.member_set(value)

    def holds(subject: Subject) -> bool:
        subject.spend(len(members) // 8)
        return members <= subject.staying

    return holds


def _only_in_group(value: str, snapshot: Snapshot) -> Condition:
    members = snapshot.member_set(value)

    def holds(subject: Subject) -> bool:
        subject.spend(len(subject.staying) // 8)
        return bool(subject.staying) and subject.staying <= members

    return holds


def _in_backend(value: str, _snapshot: Snapshot) -> Condition:
    variety = value.encode("utf-8", "surrogateescape")
    return lambda subject: subject.key.variety == variety


def _url(value: str, _snapshot: Snapshot) -> Condition:
    glob = compile_glob(value, path=False)
    return lambda subject: any(glob.matches(url, subject.spend) for url in subject.urls)


_COMPARISONS = {"<=": le, ">=": ge, "<": lt, ">": gt}


def _metadata(value: str, _snapshot: Snapshot) -> Condition:
    length = next((i for i, character in enumerate(value) if character in "=<>"), len(value))
    name, rest = value[:length], value[length:]
    if not name[:1].isalnum() or not all(character.isalnum() or character in "_-." for character in name):
        raise BadTerm(f"Illegal metadata field name, {quoted(name)}")
    field = name.casefold()
    operator = next((sign for sign in _COMPARISONS if rest.startswith(sign)), None)
    if operator is None:
        matches: Callable[[str, Spend], bool] = compile_glob(rest[1:], path=False, ignore_case=True).matches
    else:
        matches = _comparison(_COMPARISONS[operator], rest[len(operator) :])
    return lambda subject: any(matches(value, subject.spend) for value in subject.metadata.get(field, ()))


def _comparison(compare: Callable[[Any, Any], bool], limit: str) -> Callable[[str, Spend], bool]:
    """A comparison with `limit`: as numbers if both are numbers, else as text."""
    number = parse_number(limit)

    def matches(value: str, spend: Spend) -> bool:
        spend(10)
        found = None if number is None else parse_number(value)
        return compare(value, limit) if found is None else compare(found, number)

    return matches


def _picker(value: str, name: str, snapshot: Snapshot, by_size: bool) -> Test:
    """A test that holds for the members of a group that a balancing term picks."""
    group, *numbers = value.split(":")
    if len(numbers) > 1:
        raise BadTerm(f"bad value for {name}")
    number = leading_integer(numbers[0]) if numbers else 1
    if number is None and numbers != ["lackingcopies"]:
        raise BadTerm(f"bad number for {name}")
    members = snapshot.members(group)
    secret = snapshot.secret(group)
    inside = snapshot.member_set(group)

    def find(subject: Subject) -> int:
        subject.spend(len(members) * 2)
        count = number
        if count is None:
            count = subject.copies_wanted - sum(uuid not in inside for uuid in subject.reliable_copies)
        candidates: Sequence[bytes]
        if by_size or (snapshot.rebalance and _is_tight(subject, members, count)):
            candidates = subject.fullness.emptiest(members, subject.key, subject.locations, count)
        else:
            candidates = subject.fullness.with_space(members, subject.key, subject.locations)
        return snapshot.mask(picks(secret, candidates, subject.key, count))

    def picked(subject: Subject) -> int:
        found = subject.answers.get((value, by_size))
        if found is None:
            found = subject.answers[value, by_size] = find(subject)
        return found

    return picked


def _is_tight(subject: Subject, members: Sequence[bytes], count: int) -> bool:
    """Whether so many members are nearly full that avoiding them would leave too few."""
    return count > 1 and count > len(members) - subject.fullness.too_full(members, subject.snapshot.threshold)


def _fully_balanced(value: str, snapshot: Snapshot) -> Test:
    return _picker(value, "fullybalanced", snapshot, by_size=False)


def _fully_size_balanced(value: str, snapshot: Snapshot) -> Test:
    return _picker(value, "fullysizebalanced", snapshot, by_size=True)


def _balanced(value: str, snapshot: Snapshot) -> Test:
    return _settled("balanced", value, snapshot, by_size=False)


def _size_balanced(value: str, snapshot: Snapshot) -> Test:
    return _settled("sizebalanced", value, snapshot, by_size=True)


def _settled(name: str, value: str, snapshot: Snapshot, by_size: bool) -> Test:
    """A balancing term that does not move what a member of the group has already."""
    picked = _picker(value, name, snapshot, by_size)
    if value.endswith(":lackingcopies"):
        needs_more = _lacking("1", snapshot)
    else:
        enough = _copies(value if ":" in value else value + ":1", snapshot)
        needs_more = lambda subject: not enough(subject)  # noqa: E731
    if snapshot.rebalance:
        return picked
    return lambda subject: subject.present_mask | (picked(subject) if needs_more(subject) else 0)


_PLAIN: dict[str, Test] = {
    "anything": anything,
    "nothing": nothing,
    "present": present,
    "inpreferreddir": _in_preferred_directory,
    "securehash": _about_all(lambda subject: subject.is_secure),
    "unused": _about_all(lambda subject: subject.is_unused),
}
_CONDITIONS: dict[str, Callable[[str, Snapshot], Condition]] = {
    "include": _include,
    "exclude": _exclude,
    "largerthan": _larger,
    "smallerthan": _smaller,
    "copies": _copies,
    "lackingcopies": _lacking,
    "approxlackingcopies": _approximately_lacking,
    "inallgroup": _in_all_group,
    "onlyingroup": _only_in_group,
    "inbackend": _in_backend,
    "url": _url,
    "metadata": _metadata,
}
_CHOICES: dict[str, Callable[[str, Snapshot], Test]] = {
    "balanced": _balanced,
    "fullybalanced": _fully_balanced,
    "sizebalanced": _size_balanced,
    "fullysizebalanced": _fully_size_balanced,
}
