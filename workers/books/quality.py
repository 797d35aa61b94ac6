"""How good recommendations turned out: what was borrowed of them, week by week, and the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import psycopg
from psycopg.rows import class_row
from pydantic import TypeAdapter

from workers.books.model_store import Model, list_models
from workers.books.offline import OfflineFigures
from workers.core.queries import query
from workers.core.stores import connection

BY_WEEK = query("books/quality.by_week")
VERDICTS_BY_WEEK = query("books/quality.verdicts_by_week")
DEGRADED_SHARE = query("books/quality.degraded_share")

WEEKS = 12
OFFLINE: TypeAdapter[OfflineFigures | None] = TypeAdapter(OfflineFigures | None)


@dataclass(frozen=True)
class Week:
    """A week of answers to single students.

    `given` counts distinct pairs of a student and a book, `borrowed` those that became a loan
    within 14 days. `popular_borrowed` is what as many places would have got, had they held the
    books that were borrowed most in the 30 days before: an upper bound for it, since its loans are
    counted for 20 days. `coverage` is the share of the catalogue that was given, `head_share` the
    share of what was given that is of the tenth of the catalogue with the most readers.
    """

    week: date
    students: int
    given: int
    books: int
    borrowed: int
    popular_borrowed: int
    coverage: float
    head_share: float


@dataclass(frozen=True)
class Quality:
    """The figures of the recommendations.

    `offline` is what the model's run measured on loans held out: None without a model, and of a
    library with too few loans. `model_age_s` is None without a model; `degraded_share` in [0, 1] of
    the last week's answers, None without any. `verdicts` counts by week and verdict.
    """

    offline: OfflineFigures | None
    model: Model | None
    model_age_s: float | None
    degraded_share: float | None
    weeks: Sequence[Week]
    verdicts: Mapping[str, Mapping[str, int]]


def read_quality() -> Quality:
    """Read the figures of the last twelve weeks."""
    model = next((model for model in list_models() if model.active), None)
    verdicts: dict[str, dict[str, int]] = {}
    with connection() as conn:
        weeks = count_weeks(conn)
        for week, verdict, count in conn.execute(VERDICTS_BY_WEEK, {"weeks": WEEKS}):
            verdicts.setdefault(str(week), {})[verdict] = count
        row = conn.execute(DEGRADED_SHARE).fetchone()
    offline = None if model is None else OFFLINE.validate_python(model.figures.get("offline"))
    age_s = None
    if model is not None and model.ready_at is not None:
        age_s = (datetime.now(UTC) - model.ready_at).total_seconds()
    return Quality(offline, model, age_s, row[0] if row else None, weeks, verdicts)


def count_weeks(conn: psycopg.Connection) -> list[Week]:
    """Count what became of the answers of the last twelve weeks; asks for each of them."""
    with conn.cursor(row_factory=class_row(Week)) as cursor:
        return cursor.execute(BY_WEEK, {"weeks": WEEKS}).fetchall()
