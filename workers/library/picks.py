"""The staff's picks as boards: what each grade is shown, in which order, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection, transaction

LIST_PICKS = query("library/picks.list_picks")
LOCK_ORDER = query("library/picks.lock_order")
STORE_ORDER = query("library/picks.store_order")

MAX_PICKS = 200
# The boards by their names and grades; None is for everybody.
BANDS: dict[str, tuple[int, ...] | None] = {
    "Everybody": None,
    "Up to grade 2": (-1, 0, 1, 2),
    "Grades 3 to 5": (3, 4, 5),
    "Grades 6 to 8": (6, 7, 8),
    "Grade 9 and up": (9, 10, 11, 12, 13),
}


@dataclass(frozen=True)
class Pick:
    """A picked book: for these grades (None: for all), until a day, and its effect so far.

    `recommended` and `borrowed` count children since it was picked.
    """

    book_id: str
    title: str | None
    author: str | None
    level: float | None
    cover_url: str | None
    copies_available: int | None
    copies_total: int | None
    grades: Sequence[int] | None
    until: date | None
    note: str | None
    picked_at: datetime
    place: int
    recommended: int
    borrowed: int
    is_over: bool


@dataclass(frozen=True)
class Board:
    """The picks of one band of grades, in order."""

    name: str
    picks: list[Pick]


def list_picks() -> list[Pick]:
    """List all picks in the order of their boards, also those that are over."""
    with connection() as conn, conn.cursor(row_factory=class_row(Pick)) as cursor:
        return cursor.execute(LIST_PICKS, {"most": MAX_PICKS}).fetchall()


def boards_of(picks: Sequence[Pick]) -> list[Board]:
    """Sort picks onto boards: each stands on every one that a grade of its belongs to."""
    return [
        Board(name, [pick for pick in picks if _belongs(pick, grades)])
        for name, grades in BANDS.items()
    ]


def _belongs(pick: Pick, grades: Sequence[int] | None) -> bool:
    if pick.grades is None or grades is None:
        return pick.grades is None and grades is None
    return not set(pick.grades).isdisjoint(grades)


def move_pick(book_id: str, *, before: str | None) -> None:
    """Put a pick before another one, or last.

    Raises:
        UnknownKeyError: one of them is no pick.
    """
    with transaction() as conn:
        order = [each for (each,) in conn.execute(LOCK_ORDER)]
        for each in filter(None, (book_id, before)):
            if each not in order:
                raise UnknownKeyError("unknown_pick", each)
        order.remove(book_id)
        order.insert(len(order) if before is None else order.index(before), book_id)
        conn.execute(STORE_ORDER, {"book_ids": order})
