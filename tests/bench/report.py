"""The table, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.model import OURS, THEIRS
from tests.bench.runner import Figures, Result

HEADER = f"{'':34}{'unit':>6}  {'ours':>17}  {'git-annex':>17}  {'ratio':>7}  {'goal':>9}"


def ratio(result: Result) -> float | None:
    """Ours divided by theirs, where both were measured."""
    if OURS not in result.figures or THEIRS not in result.figures:
        return None
    return result.figures[OURS].median / result.figures[THEIRS].median


def line(result: Result) -> str:
    """A line of the table. Behind a median stands its spread; a goal that was missed is marked."""
    both = ratio(result)
    goal, mark = result.row.goal, ""
    if goal is not None and OURS in result.figures:
        mark = "  MISSED" if goal.is_met(result.figures[OURS].median, both) is False else ""
    cells = [_figures(result.figures.get(side)) for side in (OURS, THEIRS)]
    return (
        f"{result.name:34}{result.row.unit:>6}  {cells[0]:>17}  {cells[1]:>17}"
        f"  {'' if both is None else f'{both:.2f}x':>7}  {'' if goal is None else str(goal):>9}{mark}"
    )


def _figures(figures: Figures | None) -> str:
    if figures is None:
        return ""
    return f"{figures.median:.4g} ±{figures.spread:4.0%}"


def growth(results: Sequence[Result]) -> list[str]:
    """How much more each side takes in a large repository than in an empty one."""
    small = {(result.workload, result.row.name): result for result in results if not result.keys}
    lines = []
    for result in results:
        base = small.get((result.workload, result.row.name))
        if result.keys and base is not None:
            cells = [
                f"{result.figures[side].median / base.figures[side].median:.2f}x" if side in result.figures else ""
                for side in (OURS, THEIRS)
            ]
            lines.append(f"{result.name:34}{'':>6}  {cells[0]:>17}  {cells[1]:>17}")
    return lines


def as_json(results: Iterable[Result]) -> list[dict[str, object]]:
    return [
        {
            "workload": result.workload,
            "row": result.row.name,
            "unit": result.row.unit,
            "keys": result.keys,
            "goal": None if result.row.goal is None else str(result.row.goal),
            "ratio": ratio(result),
            "figures": {
                side: {"median": figures.median, "samples": figures.samples} for side, figures in result.figures.items()
            },
        }
        for result in results
    ]
