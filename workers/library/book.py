"""A book as its page shows it: its record, who borrowed it, and whether its readers are fresh."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection
from workers.library.called import Called

READ_BOOK = query("library/book.read_book")
COUNT_READERS = query("library/book.count_readers")
READ_LEVELS = query("library/book.read_levels")
READ_FRESHNESS = query("library/book.read_freshness")
LIST_OUT = query("library/book.list_out")
HIDE = query("library/book.hide")
UNHIDE = query("library/book.unhide")

MAX_OUT = 50
# Readers from which on their levels say something about a book's.
ENOUGH_READERS = 5
# Grades between a label and the median of its readers that are nothing to look into.
CLOSE = 1.0


@dataclass(frozen=True)
class BookFacts:
    """What the catalogue says of a book, and what the staff does; `level` in grades."""

    book_id: str
    title: str | None
    author: str | None
    isbn: str | None
    genre: Sequence[str]
    keywords: Sequence[str]
    description: str | None
    page_count: int | None
    publication_year: int | None
    difficulty_band: str | None
    level: float | None
    average_rating: float | None
    language: str | None
    series: str | None
    series_number: float | None
    copies_total: int | None
    copies_available: int | None
    cover_url: str | None
    hidden_by: str | None
    hidden_at: datetime | None
    is_pick: bool

    @property
    def name(self) -> str:
        """What to call the book: its title, or its id where a loan came before its record."""
        return self.title or f"Book {self.book_id}"


@dataclass(frozen=True)
class GradeReaders:
    """How many children of a grade borrowed a book, and how often."""

    grade_level: int | None
    readers: int
    loans: int


@dataclass(frozen=True)
class ReaderLevels:
    """The levels of a book's readers in grades: a quarter reads below the first, half below ..."""

    readers: int
    quartiles: Sequence[float] | None

    def differ_from(self, label: float | None) -> str | None:
        """Say whether enough readers read above or below the book's label; None if they do not.

        >>> ReaderLevels(9, [4.0, 4.5, 5.0]).differ_from(7.0)
        'below'
        """
        if label is None or self.quartiles is None or self.readers < ENOUGH_READERS:
            return None
        away = self.quartiles[1] - label
        return None if abs(away) <= CLOSE else "above" if away > 0 else "below"


@dataclass(frozen=True)
class ReadersFreshness:
    """How many readers a book has, and how many of them are still being worked in."""

    readers: int
    stale: int


@dataclass(frozen=True)
class Borrower(Called):
    """A child who has a book now."""

    student_id: str
    display_name: str | None
    homeroom_teacher: str | None
    checkout_date: date


@dataclass(frozen=True)
class BookPage:
    """Everything of a book that stands in the tables."""

    book: BookFacts
    grades: list[GradeReaders]
    levels: ReaderLevels
    freshness: ReadersFreshness
    out: list[Borrower]


def read_book_page(book_id: str) -> BookPage:
    """Read what a book's page shows, besides other books.

    Raises:
        UnknownKeyError: there is no such book.
    """
    given = {"book_id": book_id}
    with connection() as conn, conn.transaction():
        book = conn.cursor(row_factory=class_row(BookFacts)).execute(READ_BOOK, given).fetchone()
        if book is None:
            raise UnknownKeyError("unknown_book", book_id)
        grades = conn.cursor(row_factory=class_row(GradeReaders)).execute(COUNT_READERS, given)
        levels = conn.cursor(row_factory=class_row(ReaderLevels)).execute(READ_LEVELS, given)
        fresh = conn.cursor(row_factory=class_row(ReadersFreshness)).execute(READ_FRESHNESS, given)
        out = conn.cursor(row_factory=class_row(Borrower)).execute(
            LIST_OUT, {**given, "most": MAX_OUT}
        )
        return BookPage(
            book,
            grades.fetchall(),
            levels.fetchone() or ReaderLevels(0, None),
            fresh.fetchone() or ReadersFreshness(0, 0),
            out.fetchall(),
        )


def read_book(book_id: str) -> BookFacts:
    """Read what the catalogue says of a book.

    Raises:
        UnknownKeyError: there is no such book.
    """
    with connection() as conn, conn.cursor(row_factory=class_row(BookFacts)) as cursor:
        book = cursor.execute(READ_BOOK, {"book_id": book_id}).fetchone()
    if book is None:
        raise UnknownKeyError("unknown_book", book_id)
    return book


def hide_book(book_id: str, hidden_by: str) -> None:
    """Let a book be recommended to nobody, from the next answer on."""
    with connection() as conn:
        conn.execute(HIDE, {"book_id": book_id, "hidden_by": hidden_by})


def unhide_book(book_id: str) -> None:
    """Let a book be recommended again."""
    with connection() as conn:
        conn.execute(UNHIDE, {"book_id": book_id})
