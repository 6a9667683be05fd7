"""What is made when it is asked for."""

from __future__ import annotations

from annexshell.repo.local.once import Once


def test_it_is_made_once_and_not_before() -> None:
    made: list[int] = []

    def make() -> list[int]:
        made.append(len(made))
        return made

    once = Once(make)
    assert not once.is_made
    assert not made
    assert once() is once() is made
    assert made == [0]
    assert once.is_made


def test_none_is_made_once_too() -> None:
    answers = iter([None, 5])
    once = Once(lambda: next(answers))
    assert once() is None
    assert once() is None
