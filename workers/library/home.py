"""What the library's first page shows: classes, arrivals, books that nobody borrows, a search."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.stores import connection
from workers.library.called import Called

LIST_CLASSES = query("library/home.list_classes")
COUNT_HOMELESS = query("library/home.count_homeless")
FIND_CHILDREN = query("library/home.find_children")
LIST_PICKED = query("library/home.list_picked")
LIST_ARRIVALS = query("library/home.list_arrivals")
LIST_UNBORROWED = query("library/home.list_unborrowed")

MAX_CLASSES = 500
MAX_BOOKS = 8
MAX_FOUND = 20


@dataclass(frozen=True)
class ClassInShort:
    """A homeroom: how many children, and how many of them borrowed in the last 30 days."""

    teacher: str
    lowest_grade: int | None
    highest_grade: int | None
    children: int
    reading: int


@dataclass(frozen=True)
class ListedBook:
    """A book of a list that holds `of` books in all; `level` in grades."""

    book_id: str
    title: str
    author: str | None
    level: float | None
    cover_url: str | None
    of: int


@dataclass(frozen=True)
class FoundChild(Called):
    """A child that a search found."""

    student_id: str
    display_name: str | None
    grade_level: int | None
    homeroom_teacher: str | None


@dataclass(frozen=True)
class Home:
    """The first page's lists; `homeless` counts children who are in no homeroom."""

    classes: list[ClassInShort]
    homeless: int
    picked: list[ListedBook]
    arrivals: list[ListedBook]
    unborrowed: list[ListedBook]


def read_home(homerooms: Sequence[str] | None) -> Home:
    """Read the lists, of some homerooms' classes or of all."""
    with connection() as conn:
        classes = (
            conn.cursor(row_factory=class_row(ClassInShort))
            .execute(
                LIST_CLASSES,
                {"homerooms": None if homerooms is None else list(homerooms), "most": MAX_CLASSES},
            )
            .fetchall()
        )
        row = None if homerooms is not None else conn.execute(COUNT_HOMELESS).fetchone()
        books = conn.cursor(row_factory=class_row(ListedBook))
        picked = books.execute(LIST_PICKED, {"most": MAX_BOOKS}).fetchall()
        arrivals = books.execute(LIST_ARRIVALS, {"most": MAX_BOOKS}).fetchall()
        unborrowed = books.execute(LIST_UNBORROWED, {"most": MAX_BOOKS}).fetchall()
    return Home(classes, row[0] if row else 0, picked, arrivals, unborrowed)


def find_children(text: str, homerooms: Sequence[str] | None) -> list[FoundChild]:
    """Find children by a part of the name or by the id, of some homerooms or of all."""
    given = {
        "text": text,
        "homerooms": None if homerooms is None else list(homerooms),
        "most": MAX_FOUND,
    }
    with connection() as conn, conn.cursor(row_factory=class_row(FoundChild)) as cursor:
        return cursor.execute(FIND_CHILDREN, given).fetchall()
