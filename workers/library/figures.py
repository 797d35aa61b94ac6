"""Figures of the library as a whole: loans by week, use of the catalogue, who reads, what lacks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.stores import connection
from workers.library.called import Called

LOANS_BY_WEEK = query("library/figures.loans_by_week")
CATALOGUE_USE = query("library/figures.catalogue_use")
LIST_BOOKS_BY_USE = query("library/figures.list_books_by_use")
COUNT_QUIET = query("library/figures.count_quiet")
LIST_QUIET = query("library/figures.list_quiet")
LIST_GENRES = query("library/figures.list_genres")

WEEKS = 52
# Rows of a file; the largest libraries have more books than a spreadsheet opens.
MAX_ROWS = 100_000
MAX_GENRES = 1000
# Loans in ninety days below which a genre is in no demand, and by how much more its books are
# borrowed than the average book when they are few.
FEWEST_LOANS = 5
MUCH_MORE = 1.25


@dataclass(frozen=True)
class LoanWeek:
    """A week from its Monday on: its loans, and the children who borrowed."""

    week: date
    loans: int
    children: int


@dataclass(frozen=True)
class CatalogueUse:
    """How many books of the catalogue were borrowed within so many days, and ever."""

    books: int
    ever: int
    in_30_days: int
    in_90_days: int
    in_365_days: int


@dataclass(frozen=True)
class BookUse:
    """A book with its last loan, if it had any."""

    book_id: str
    title: str
    author: str | None
    last_loan: date | None
    loans_in_365_days: int


@dataclass(frozen=True)
class QuietCounts:
    """How many children there are, and how many of them borrowed nothing within so many days."""

    children: int
    none_in_30_days: int
    none_in_90_days: int
    never: int


@dataclass(frozen=True)
class QuietChild(Called):
    """A child who borrowed nothing for ninety days; `last_loan` is None if it never did."""

    student_id: str
    display_name: str | None
    grade_level: int | None
    homeroom_teacher: str | None
    last_loan: date | None


@dataclass(frozen=True)
class GenreDemand:
    """A genre: its books, the loans of them in ninety days, copies where these are counted."""

    genre: str
    books: int
    loans: int
    copies: int | None
    available: int | None

    @property
    def loans_per_book(self) -> float:
        """How often each of its books was borrowed in ninety days, on average."""
        return self.loans / self.books


@dataclass(frozen=True)
class Figures:
    """What the page of the figures shows of loans, books and children, as of now."""

    weeks: Sequence[LoanWeek]
    catalogue: CatalogueUse
    quiet: QuietCounts
    waiting: Sequence[QuietChild]
    genres: Sequence[GenreDemand]


def read_figures(most_waiting: int) -> Figures:
    """Read the figures, with as many of the children who wait longest."""
    return Figures(
        loans_by_week(),
        _read_catalogue(),
        _count_quiet(),
        list_quiet(most_waiting),
        list_genres(),
    )


def loans_by_week() -> list[LoanWeek]:
    """Count the loans of each week of a year, the oldest first."""
    with connection() as conn, conn.cursor(row_factory=class_row(LoanWeek)) as cursor:
        return cursor.execute(LOANS_BY_WEEK, {"weeks": WEEKS}).fetchall()


def list_books_by_use() -> list[BookUse]:
    """List all books, those that were not borrowed for longest first."""
    with connection() as conn, conn.cursor(row_factory=class_row(BookUse)) as cursor:
        return cursor.execute(LIST_BOOKS_BY_USE, {"most": MAX_ROWS}).fetchall()


def list_quiet(most: int = MAX_ROWS) -> list[QuietChild]:
    """List children who borrowed nothing for ninety days, who waits longest first."""
    with connection() as conn, conn.cursor(row_factory=class_row(QuietChild)) as cursor:
        return cursor.execute(LIST_QUIET, {"most": most}).fetchall()


def list_genres() -> list[GenreDemand]:
    """List all genres, the most borrowed first."""
    with connection() as conn, conn.cursor(row_factory=class_row(GenreDemand)) as cursor:
        return cursor.execute(LIST_GENRES, {"most": MAX_GENRES}).fetchall()


def too_few_books(genres: Sequence[GenreDemand]) -> list[GenreDemand]:
    """Choose the genres whose books are borrowed much more than others, the scarcest first.

    >>> some = [GenreDemand("comics", 2, 40, None, None), GenreDemand("poems", 50, 20, None, None)]
    >>> [each.genre for each in too_few_books(some)]
    ['comics']
    """
    books = sum(each.books for each in genres)
    loans = sum(each.loans for each in genres)
    scarce = [
        each
        for each in genres
        if each.loans >= FEWEST_LOANS and each.loans_per_book > MUCH_MORE * loans / books
    ]
    return sorted(scarce, key=lambda each: (-each.loans_per_book, each.genre))


def _read_catalogue() -> CatalogueUse:
    with connection() as conn, conn.cursor(row_factory=class_row(CatalogueUse)) as cursor:
        row = cursor.execute(CATALOGUE_USE).fetchone()
    assert row is not None  # noqa: S101  # counts are one row
    return row


def _count_quiet() -> QuietCounts:
    with connection() as conn, conn.cursor(row_factory=class_row(QuietCounts)) as cursor:
        row = cursor.execute(COUNT_QUIET).fetchone()
    assert row is not None  # noqa: S101  # counts are one row
    return row
