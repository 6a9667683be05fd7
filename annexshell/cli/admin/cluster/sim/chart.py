"""A chart of how full nodes get, as an SVG file that needs no other file."""

from __future__ import annotations

from html import escape

from annexshell.cli.admin.report import safe
from annexshell.model.amounts import shown_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.cluster.sim.stages import Row, Stage

_WIDTH, _LEFT, _RIGHT = 900, 190, 150  # pixels: the whole, and the margins beside the bars
_TOP, _BAR, _GAP, _LEGEND = 64, 12, 8, 22
_NAME = 26  # characters of a node's name that fit
_COLOURS = (("#2a6fb0", "#6fb1ee"), ("#c4651a", "#f2a461"), ("#3f8f4f", "#7fcf8d"), ("#8a4fa3", "#cb97e0"))
_LIGHT, _DARK = ("#fff", "#222", "#bbb", "#eee"), ("#16181c", "#e6e6e6", "#555", "#2b2e34")


def svg(title: str, stages: list[Stage]) -> str:
    """A bar for each node at each stage. A full bar is the node's maximum or, where not all have one, the largest size.
    Legible on light and dark backgrounds."""
    names = list(dict.fromkeys(row.name for stage in stages for row in stage.rows))
    height = len(stages) * _BAR + _GAP
    top = _TOP + _LEGEND * len(stages)
    rows = [{row.name: row for row in stage.rows} for stage in stages]
    scale = _Scale([row for stage in stages for row in stage.rows])
    bottom = top + height * len(names)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{bottom + 20}" role="img">',
        f"<title>{_text(title)}</title><style>{_style()}</style>",
        '<rect class="page" width="100%" height="100%"/>',
        f'<text class="title" x="16" y="28">{_text(title)}</text>',
        f'<text x="16" y="48">{scale.caption}</text>',
    ]
    for number, stage in enumerate(stages):
        y = _TOP + _LEGEND * number
        parts.append(f'<rect class="bar{number % len(_COLOURS)}" x="16" y="{y}" width="12" height="12"/>')
        parts.append(f'<text x="34" y="{y + 11}">{_text(stage.title)}</text>')
    for place, name in enumerate(names):
        y = top + height * place
        middle = y + len(stages) * _BAR / 2 + 4
        parts.append(f'<text class="name" x="{_LEFT - 8}" y="{middle:g}">{_text(name[:_NAME])}</text>')
        for number, known in enumerate(rows):
            if name in known:
                parts += scale.bar(known[name], number, y + number * _BAR)
    parts.append(f'<line class="line" x1="{_LEFT}" y1="{top - 4}" x2="{_LEFT}" y2="{bottom}"/></svg>\n')
    return "\n".join(parts)


class _Scale:
    """Turns sizes into lengths of bars."""

    def __init__(self, rows: list[Row]) -> None:
        self._limited = all(row.maximum for row in rows)
        self.caption = "part of the maximum size" if self._limited else "size, and contents"
        self._most = max([self._value(row) for row in rows] + ([1.0] if self._limited else [])) or 1.0

    def _value(self, row: Row) -> float:
        return (row.full or 0.0) if self._limited else float(row.size)

    def bar(self, row: Row, number: int, y: int) -> list[str]:
        room = _WIDTH - _LEFT - _RIGHT
        width = room * self._value(row) / self._most
        size = shown_size(row.size, 1)
        label = f"{row.full:.1%}, {size}" if self._limited and row.full is not None else f"{size}, {row.count:,}"
        return [
            f'<rect class="back" x="{_LEFT}" y="{y}" width="{room}" height="{_BAR - 2}"/>',
            f'<rect class="bar{number % len(_COLOURS)}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}"/>',
            f'<text x="{_WIDTH - _RIGHT + 8}" y="{y + _BAR - 3}">{label}</text>',
        ]


def _style() -> str:
    """Colours by class, since not all programs that draw SVG know CSS variables, or even media queries."""
    fixed = "text{font:12px sans-serif}.title{font-size:15px;font-weight:bold}.name{text-anchor:end}"
    return f"{fixed}{_colours(_LIGHT, 0)}@media(prefers-color-scheme:dark){{{_colours(_DARK, 1)}}}"


def _colours(colours: tuple[str, str, str, str], shade: int) -> str:
    page, text, line, back = colours
    bars = "".join(f".bar{number}{{fill:{pair[shade]}}}" for number, pair in enumerate(_COLOURS))
    return f".page{{fill:{page}}}text{{fill:{text}}}.line{{stroke:{line}}}.back{{fill:{back}}}{bars}"


def _text(text: str) -> str:
    return escape(safe(text).replace("\n", " ").encode("utf-8", "replace").decode())
