"""A chart of what was sent and received during the last hour, as SVG. It says the same in words, for who can't see."""

from __future__ import annotations

from annexshell.serve.http.reporting.scoreboard import HISTORY, STEP
from annexshell.serve.http.status.texts import rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_WIDTH, _HEIGHT = 720, 150
_MARGIN = 2  # above and below the curves


def rates(history: Mapping[int, tuple[float, float]], now: float) -> list[tuple[float, float]]:
    """(received, sent) bytes per second for each step of the last hour, the oldest first. The step that has only just
    begun is left out."""
    last = int(now // STEP) - 1
    steps = range(last - HISTORY + 2, last + 1)
    return [(received / STEP, sent / STEP) for received, sent in (history.get(step, (0.0, 0.0)) for step in steps)]


def chart(values: list[tuple[float, float]]) -> str:
    """The curves of (received, sent) bytes per second. They are stretched to the width that there is; what is written
    around them is not."""
    top = _round_up(max((max(pair) for pair in values), default=0.0))
    received = _path([pair[0] / top for pair in values])
    sent = _path([pair[1] / top for pair in values])
    minutes = round(len(values) * STEP / 60)
    grid = "".join(f'<path class="grid" d="M0 {_y(part)}H{_WIDTH}"/>' for part in (0, 0.5, 1))
    foot = f"V{_y(0)}H0Z"
    attributes = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"'
    return f"""<div class="dim">{rate(top)}</div>
<svg {attributes} aria-label="{_in_words(values, minutes)}">{grid}
<path class="sent area" d="{sent}{foot}"/><path class="sent" d="{sent}"/>
<path class="received area" d="{received}{foot}"/><path class="received" d="{received}"/></svg>
<div class="row dim"><span>{minutes} min ago</span><span>now</span></div>"""


def _in_words(values: list[tuple[float, float]], minutes: int) -> str:
    now = values[-1] if values else (0.0, 0.0)
    received, sent = (max((pair[i] for pair in values), default=0.0) for i in (0, 1))
    return (
        f"Throughput of the last {minutes} minutes. Sent: now {rate(now[1])}, at most {rate(sent)}. "
        f"Received: now {rate(now[0])}, at most {rate(received)}."
    )


def _path(shares: list[float]) -> str:
    width = _WIDTH / max(len(shares) - 1, 1)
    points = [f"{number * width:.1f} {_y(share)}" for number, share in enumerate(shares)]
    return "M" + "L".join(points or [f"0 {_y(0)}"])


def _y(share: float) -> float:
    return round(_MARGIN + (1 - share) * (_HEIGHT - 2 * _MARGIN), 1)


def _round_up(value: float) -> float:
    """A round number of bytes per second to which the curves fit."""
    top = 1000.0
    while top < value:
        top *= 10
    return next(top * part for part in (0.2, 0.5, 1.0) if top * part >= value)
