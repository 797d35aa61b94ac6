"""What became of the recommendations of each week, as each night counts it: for pages and files."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

from psycopg.rows import class_row

from workers.books.quality import WEEKS, Week, count_weeks
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction

STORE_WEEK = query("books/recommendation_weeks.store_week")
LIST_WEEKS = query("books/recommendation_weeks.list_weeks")

# A recommended book counts as taken for so long.
TAKEN_WITHIN_DAYS = 14


@dataclass(frozen=True)
class CountedWeek(Week):
    """A week with the moment in which it was counted."""

    counted_at: datetime

    @property
    def is_over(self) -> bool:
        """Whether every book that was given in the week had its days to be borrowed in."""
        return self.week + timedelta(days=6 + TAKEN_WITHIN_DAYS) < self.counted_at.date()

    @property
    def ends(self) -> date:
        """The Sunday of the week."""
        return self.week + timedelta(days=6)


def store_weeks() -> int:
    """Count the last weeks again, and keep them; returns how many there were.

    Only weeks whose answers are all there: those before stay as they were counted last.
    """
    kept_days = min(settings().history_days, 7 * WEEKS)
    since = datetime.now(UTC).date() - timedelta(days=kept_days - 1)
    with transaction() as conn:
        weeks = [week for week in count_weeks(conn) if week.week >= since]
        conn.cursor().executemany(STORE_WEEK, [asdict(week) for week in weeks])
    return len(weeks)


def list_weeks(most: int) -> list[CountedWeek]:
    """List the newest weeks that were counted, the oldest of them first."""
    with connection() as conn, conn.cursor(row_factory=class_row(CountedWeek)) as cursor:
        return cursor.execute(LIST_WEEKS, {"most": most}).fetchall()
