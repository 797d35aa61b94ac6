"""Plots of the last hour or day as SVG paths, drawn on the server."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from routes.console.pages import duration, number
from workers.core import metrics
from workers.operations.series import Minute, latency_quantiles, rates

WIDTH, HEIGHT = 600.0, 120.0
# Above the highest value, so that its line is seen whole.
MARGIN = 4.0
SPANS = {"hour": (60, 1), "day": (1440, 10)}

Points = Sequence[tuple[datetime, float | None]]
Say = Callable[[float | None], str]


@dataclass(frozen=True)
class Line:
    """One line of a plot: its SVG path, the name of its colour, and its newest value."""

    label: str
    colour: str
    path: str
    newest: str


@dataclass(frozen=True)
class Hit:
    """A strip of the plot with what it shows there."""

    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Plot:
    """A plot whose highest value is `top`; `said` puts it in a sentence."""

    title: str
    top: str
    lines: list[Line]
    hits: list[Hit]
    said: str
    empty: bool


def overview_plots(minutes: Sequence[Minute], span: str) -> list[Plot]:
    """Draw what the overview shows of the last hour or day."""
    return [
        _plot(
            "Keys made fresh per minute",
            span,
            number,
            [
                ("fresh", "good", rates(minutes, metrics.KEYS_DONE.name)),
                ("failed", "bad", rates(minutes, metrics.KEYS_FAILED.name)),
            ],
        ),
        _plot(
            "From stale to fresh",
            span,
            duration,
            [
                ("median", "main", latency_quantiles(minutes, 0.5)),
                ("95 %", "warn", latency_quantiles(minutes, 0.95)),
            ],
        ),
        _plot(
            "Stale keys",
            span,
            number,
            [("stale", "warn", _gauge(minutes, "stale")), ("dead", "bad", _gauge(minutes, "dead"))],
        ),
        _plot(
            "Events accepted per minute",
            span,
            number,
            [("events", "main", rates(minutes, metrics.EVENTS_ACCEPTED.name))],
        ),
        _plot(
            "Messages taken per minute",
            span,
            number,
            [("messages", "main", rates(minutes, metrics.MESSAGES.name))],
        ),
        _plot(
            "Provider requests per minute",
            span,
            number,
            [
                ("requests", "main", rates(minutes, metrics.PROVIDER_REQUESTS.name)),
                ("errors", "bad", rates(minutes, metrics.OPENAI_API_ERRORS.name)),
            ],
        ),
    ]


def _gauge(minutes: Sequence[Minute], name: str) -> Points:
    return [
        (
            each.minute,
            sum(value for key, value in each.figures.items() if key.startswith(f"{name} ")),
        )
        for each in minutes[1:]
    ]


def _plot(title: str, span: str, say: Say, series: Sequence[tuple[str, str, Points]]) -> Plot:
    span_minutes, step = SPANS[span]
    values = {label: dict(points) for label, _, points in series}
    known = [value for line in values.values() for value in line.values() if value is not None]
    times = sorted({at for line in values.values() for at in line})
    top = round_up(max(known, default=0.0))

    def place(at: datetime) -> float:
        passed_minutes = (times[-1] - at).total_seconds() / 60
        return WIDTH * (1 - passed_minutes / span_minutes)

    lines = [
        Line(
            label,
            colour,
            _path(points, place, top, step),
            say(points[-1][1] if points else None),
        )
        for label, colour, points in series
    ]
    width = WIDTH * step / span_minutes
    hits = [
        Hit(
            round(place(at) - width, 1),
            round(width, 1),
            f"{at.astimezone(UTC):%H:%M} UTC: "
            + ", ".join(f"{label} {say(line.get(at))}" for label, line in values.items()),
        )
        for at in times
    ]
    newest = ", ".join(f"{line.label} {line.newest}" for line in lines)
    said = f"{title}, last {span}. Now {newest}; at most {say(max(known, default=0.0))}."
    return Plot(title, say(top), lines, hits, said, empty=not known)


def _path(points: Points, place: Callable[[datetime], float], top: float, step: int) -> str:
    """Write SVG path data, with a gap where nothing was stored or nothing was done."""
    parts, before = [], None
    for at, value in points:
        if value is None:
            before = None
            continue
        apart = before is None or (at - before).total_seconds() > 90 * step
        y = HEIGHT - value / top * (HEIGHT - MARGIN) if top else HEIGHT
        parts.append(f"{'M' if apart else 'L'}{place(at):.1f} {y:.1f}")
        if apart:
            parts.append("h0.1")  # a point that stands alone is seen, too
        before = at
    return "".join(parts)


def round_up(value: float) -> float:
    """Round a value up to the next of 1, 2, 5, 10, 20, 50 and so on.

    >>> round_up(0), round_up(3), round_up(51), round_up(0.3)
    (1.0, 5.0, 100.0, 0.5)
    """
    if value <= 0:
        return 1.0
    size: float = 10.0 ** math.floor(math.log10(value))
    return next(size * step for step in (1, 2, 5, 10) if value <= size * step * (1 + 1e-9))
