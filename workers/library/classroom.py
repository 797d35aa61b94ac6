"""A class as its page shows it: the children of one homeroom, their levels, loans and genres."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection
from workers.library.called import Called

LIST_CHILDREN = query("library/classroom.list_children")

# Of a homeroom; a larger one is no class.
MAX_CHILDREN = 200
# After so many days without a loan, and with a level that moves less, a child is looked after.
QUIET_DAYS = 21
STILL_SLOPE = 0.05
SHOWN_GENRES = 8


class Order(StrEnum):
    """What the children of a class are sorted by."""

    name = "name"
    quiet = "quiet"
    still = "still"
    level = "level"
    loans = "loans"


@dataclass(frozen=True)
class ChildInClass(Called):
    """A child in its class; `level` in grades, `slope` in grades per 30 days, days as of today."""

    student_id: str
    display_name: str | None
    grade_level: int | None
    level: float | None
    slope: float | None
    genre_shares: Mapping[str, float]
    days_since_loan: int | None
    last_title: str | None
    recent_loans: int
    loans: int

    @property
    def is_quiet(self) -> bool:
        """Whether the child has borrowed nothing for three weeks."""
        return self.days_since_loan is None or self.days_since_loan > QUIET_DAYS

    @property
    def stands_still(self) -> bool:
        """Whether the child's level is known to move in neither direction."""
        return self.slope is not None and abs(self.slope) < STILL_SLOPE

    @property
    def genres(self) -> list[str]:
        """The leading two genres."""
        ordered = sorted(self.genre_shares.items(), key=lambda share: (-share[1], share[0]))
        return [name for name, _ in ordered[:2]]


@dataclass(frozen=True)
class Band:
    """How many children read at one level: from `level` up to the next whole grade."""

    level: int
    children: int


@dataclass(frozen=True)
class ClassGenre:
    """A genre's share of what the class reads, each child counting the same."""

    name: str
    share: float


def list_children(homeroom: str) -> list[ChildInClass]:
    """List the children of a homeroom by name.

    Raises:
        UnknownKeyError: nobody is in it.
    """
    with connection() as conn, conn.cursor(row_factory=class_row(ChildInClass)) as cursor:
        found = cursor.execute(
            LIST_CHILDREN, {"homeroom": homeroom, "most": MAX_CHILDREN}
        ).fetchall()
    if not found:
        raise UnknownKeyError("unknown_class", homeroom)
    return found


def in_order(children: Sequence[ChildInClass], order: Order) -> list[ChildInClass]:
    """Sort children: who most needs looking after first, those who are alike by name."""
    keys = {
        Order.name: lambda _: 0.0,
        Order.quiet: lambda child: (
            -(float("inf") if child.days_since_loan is None else child.days_since_loan)
        ),
        Order.still: lambda child: float("inf") if child.slope is None else abs(child.slope),
        Order.level: lambda child: float("inf") if child.level is None else child.level,
        Order.loans: lambda child: -child.recent_loans,
    }
    return sorted(children, key=keys[order])


def level_bands(children: Sequence[ChildInClass]) -> list[Band]:
    """Count the children at each whole level, without gaps between the lowest and the highest."""
    counts = Counter(int(child.level) for child in children if child.level is not None)
    if not counts:
        return []
    return [Band(level, counts[level]) for level in range(min(counts), max(counts) + 1)]


def class_genres(children: Sequence[ChildInClass]) -> list[ClassGenre]:
    """Average the genres of all children who have any, the leading ones first."""
    reading = [child.genre_shares for child in children if child.genre_shares]
    totals: Counter[str] = Counter()
    for shares in reading:
        totals.update(shares)
    return [
        ClassGenre(name, total / len(reading)) for name, total in totals.most_common(SHOWN_GENRES)
    ]
