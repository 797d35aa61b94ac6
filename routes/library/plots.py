"""Plots of the library's figures: bars by week over an axis of dates, drawn on the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from routes.console.plots import round_up
from routes.library.words import percent

# Units of the drawing; the page stretches it, and strokes keep their width.
WIDTH, HEIGHT = 600.0, 140.0
# Above the highest bar, so that its end is seen.
MARGIN = 4.0
# Of the width of a week, what stays free between it and the next.
GAP = 0.2
LABELS = 5


@dataclass(frozen=True)
class Bar:
    """A bar; `kind` names its colour, `said` is what it stands for."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    said: str


@dataclass(frozen=True)
class Bars:
    """A plot of bars: the value at its top as text, and dates evenly spaced beneath."""

    bars: Sequence[Bar]
    top: str
    days: Sequence[date]


def plot_bars(weeks: Sequence[tuple[date, int, str]]) -> Bars:
    """Draw a count for each week, one after the other, with what it says of itself."""
    top = round_up(max(count for _, count, _ in weeks))
    step = WIDTH / len(weeks)
    bars = [
        _bar(place * step, step * (1 - GAP), count / top, "main", said)
        for place, (_, count, said) in enumerate(weeks)
    ]
    return Bars(bars, f"{top:,.0f}", label_days([week for week, _, _ in weeks]))


def pair_bars(weeks: Sequence[tuple[date, float, float, str]]) -> Bars:
    """Draw two shares in [0, 1] for each week, side by side."""
    top = round_up(max(max(ours, other) for _, ours, other, _ in weeks))
    step = WIDTH / len(weeks)
    half = step * (1 - GAP) / 2
    bars = []
    for place, (_, ours, other, said) in enumerate(weeks):
        bars.append(_bar(place * step, half, ours / top, "main", said))
        bars.append(_bar(place * step + half, half, other / top, "other", said))
    return Bars(bars, percent(top), label_days([week for week, *_ in weeks]))


def label_days(weeks: Sequence[date]) -> list[date]:
    """Choose weeks that stand evenly beneath a plot, the first and the last among them.

    >>> [str(each) for each in label_days([date(2026, 1, 5), date(2026, 1, 12)])]
    ['2026-01-05', '2026-01-12']
    """
    count = min(LABELS, len(weeks))
    if count < 2:
        return list(weeks)
    return [weeks[round(place * (len(weeks) - 1) / (count - 1))] for place in range(count)]


def _bar(x: float, width: float, share: float, kind: str, said: str) -> Bar:
    height = round(share * (HEIGHT - MARGIN), 2)
    return Bar(round(x, 2), round(HEIGHT - height, 2), round(width, 2), height, kind, said)
