"""The last day by the minute: what the plots and the rates are made of.

Every minute the scheduler writes the counters of all processes, and the gauges that no counter
tells, into one row. A plot of a day reads every tenth row, because counters only grow.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from workers.core import metrics
from workers.core.counters import read_counts
from workers.core.queries import query
from workers.core.stores import connection
from workers.jobs.queues import read_depths
from workers.ledger.contract import summarize

STORE = query("operations/series.store_minute")
PRUNE = query("operations/series.prune_minutes")
READ = query("operations/series.read_minutes")

# Counters, and the label that is kept of each.
COUNTED = {
    metrics.EVENTS_ACCEPTED: None,
    metrics.KEYS_DONE: "kind",
    metrics.KEYS_FAILED: "kind",
    metrics.MESSAGES: "queue",
    metrics.PROVIDER_REQUESTS: None,
    metrics.PROVIDER_TOKENS: None,
    metrics.OPENAI_API_ERRORS: None,
}
LATENCY = metrics.KEY_LATENCY


@dataclass(frozen=True)
class Minute:
    """Figures by name; counters are totals since ever, gauges what they were at this minute."""

    minute: datetime
    figures: Mapping[str, float]


def store_minute() -> None:
    """Write this minute's row, and drop what is older than any plot."""
    figures = counters(read_counts())
    for row in summarize():
        figures[f"stale {row.kind}"] = row.stale
        figures[f"dead {row.kind}"] = row.dead
    for depth in read_depths():
        figures[f"ready {depth.queue}"] = depth.ready
    with connection() as conn:
        conn.execute(STORE, {"figures": Jsonb(figures)})
        conn.execute(PRUNE)


def counters(counts: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """Read the counters that are plotted, named as their metric and the label that is kept."""
    places = {
        total.name: None if label is None else 2 + total.labels.index(label)
        for total, label in COUNTED.items()
    }
    figures: defaultdict[str, float] = defaultdict(float)
    for field, value in counts.items():
        if field[0] in places:
            place = places[field[0]]
            figures[field[0] if place is None else f"{field[0]} {field[place]}"] += value
        elif field[0] == LATENCY.name and field[1] != "sum":
            figures[f"{LATENCY.name} {field[1]}"] += value
    return dict(figures)


def read_minutes(span_minutes: int, step_minutes: int = 1) -> list[Minute]:
    """Read the rows of the last minutes, every `step_minutes` one, and one more before them."""
    with connection() as conn:
        rows = conn.execute(
            READ, {"span_minutes": span_minutes, "step_minutes": step_minutes}
        ).fetchall()
    return [Minute(minute, figures) for minute, figures in rows]


def rates(minutes: Sequence[Minute], name: str) -> list[tuple[datetime, float]]:
    """Compute rates per minute between rows that follow; a counter that was wiped starts anew.

    `name` may be the beginning of several names; they are added up.
    """
    found = []
    for before, after in itertools.pairwise(minutes):
        passed = (after.minute - before.minute).total_seconds() / 60
        grown = sum(
            value - before.figures.get(each, 0) if value >= before.figures.get(each, 0) else value
            for each, value in after.figures.items()
            if each == name or each.startswith(f"{name} ")
        )
        found.append((after.minute, grown / passed))
    return found


def latency_quantiles(
    minutes: Sequence[Minute], quantile: float
) -> list[tuple[datetime, float | None]]:
    """Compute the seconds to fresh that this share of keys stayed below; None where none was.

    As fine as the buckets of the histogram: the value is interpolated inside one.
    """
    bounds = [str(float(bound)) for bound in LATENCY.buckets]
    found = []
    for before, after in itertools.pairwise(minutes):
        counts = [
            max(
                after.figures.get(f"{LATENCY.name} {bound}", 0)
                - before.figures.get(f"{LATENCY.name} {bound}", 0),
                0,
            )
            for bound in [*bounds, "+Inf"]
        ]
        found.append((after.minute, _quantile(LATENCY.buckets, counts, quantile)))
    return found


def since(minutes: Sequence[Minute], name: str) -> float:
    """Sum up how much a counter has grown over these rows."""
    return sum(
        rate * (after.minute - before.minute).total_seconds() / 60
        for (before, after), (_, rate) in zip(
            itertools.pairwise(minutes), rates(minutes, name), strict=True
        )
    )


def per_minute(name: str) -> float | None:
    """Compute a counter's newest rate; None while there are no two rows of the last minutes."""
    newest = rates(read_minutes(3), name)
    return newest[-1][1] if newest else None


def _quantile(bounds: Sequence[float], counts: Iterable[float], quantile: float) -> float | None:
    counts = list(counts)
    wanted = sum(counts) * quantile
    if not wanted:
        return None
    reached, lower = 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if count and reached + count >= wanted:
            return lower + (bound - lower) * (wanted - reached) / count
        reached, lower = reached + count, bound
    return lower
