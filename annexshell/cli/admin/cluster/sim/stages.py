"""The results of a simulation, for the table, the chart and JSON."""

from __future__ import annotations

from annexshell.model.amounts import shown_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from annexshell.policy.simulation.uploads import Moves, Uploads


class Row:
    """One node; sizes are in bytes. `maximum` is None if it has none. `share` is its size divided by the size that it
    would have if all nodes were equally full; None if that is 0."""

    def __init__(self, name: str, count: int, size: int, maximum: int | None, even: float) -> None:
        self.name = name
        self.count = count
        self.size = size
        self.maximum = maximum
        self.share = size / even if even else None

    @property
    def full(self) -> float | None:
        """The fraction of its maximum that is used."""
        return self.size / self.maximum if self.maximum else None


class Stage:
    """The nodes at one moment. `remarks` are sentences about what led to it."""

    def __init__(self, title: str, rows: list[Row], remarks: list[str]) -> None:
        self.title = title
        self.rows = rows
        self.remarks = remarks

    def as_json(self) -> dict[str, object]:
        nodes = [
            {"node": row.name, "keys": row.count, "size": row.size, "maxsize": row.maximum, "of even": row.share}
            for row in self.rows
        ]
        return {"stage": self.title, "nodes": nodes, "remarks": self.remarks}


def stage(title: str, uploads: Uploads, remarks: list[str]) -> Stage:
    """The present state of a simulation."""
    sizes = uploads.filling.sizes
    maxima = uploads.setting.maxima
    even = _even([(uuid, sizes[uuid]) for uuid in uploads.nodes], maxima)
    rows = [
        Row(uploads.setting.name(uuid), uploads.counts[uuid], sizes[uuid], maxima.get(uuid), even[uuid])
        for uuid in uploads.nodes
    ]
    return Stage(title, rows, [*remarks, _evenness(rows)])


def _even(sizes: list[tuple[bytes, int]], maxima: Mapping[bytes, int]) -> dict[bytes, float]:
    """What each node would hold if all were equally full or, where not all have a maximum, if all held the same."""
    limited = all(maxima.get(uuid, 0) > 0 for uuid, _ in sizes)
    weights = {uuid: maxima[uuid] if limited else 1 for uuid, _ in sizes}
    part = sum(size for _, size in sizes) / sum(weights.values())
    return {uuid: part * weight for uuid, weight in weights.items()}


def _evenness(rows: list[Row]) -> str:
    shares = [row.share for row in rows if row.share is not None]
    if not shares:
        return "Nothing is stored."
    spread = (sum((share - 1) ** 2 for share in shares) / len(shares)) ** 0.5
    total = shown_size(sum(row.size for row in rows), 1)
    least, most = _percent(min(shares) - 1), _percent(max(shares) - 1)
    return f"From even: {least} to {most}, standard deviation {spread:.1%}; {total} in all."


def _percent(part: float) -> str:
    return f"{100 * part:+.1f}%"


def table(stage: Stage) -> list[str]:
    """The lines of a table."""
    lines = [("contents", "size", "maxsize", "full", "of even", "node")]
    for row in stage.rows:
        lines.append(
            (
                f"{row.count:,}",
                shown_size(row.size, 1),
                "" if row.maximum is None else shown_size(row.maximum, 1),
                "" if row.full is None else f"{row.full:.1%}",
                "" if row.share is None else _percent(row.share - 1),
                row.name,
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return ["  ".join([*(f"{text:>{width}}" for text, width in zip(line, widths)), line[5]]) for line in lines]


def moved(moves: Moves) -> str:
    """A sentence about what a round of changes moved."""
    return (
        f"{moves.copied:,} copied ({shown_size(moves.copied_bytes, 1)}),"
        f" {moves.dropped:,} dropped ({shown_size(moves.dropped_bytes, 1)})"
    )
