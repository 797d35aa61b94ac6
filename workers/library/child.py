"""A child as its page shows it: row and profile, loans, books set aside, and those most like it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection
from workers.library.called import Called

READ_CHILD = query("library/child.read_child")
LIST_LOANS = query("library/child.list_loans")
LIST_SET_ASIDE = query("library/child.list_set_aside")
LIST_NEAR = query("library/child.list_near")

MAX_LOANS = 1000
MAX_SET_ASIDE = 20


@dataclass(frozen=True)
class Child(Called):
    """A student's row and profile; `fresh`: whether profile and neighbours reflect all facts."""

    student_id: str
    display_name: str | None
    grade_level: int | None
    homeroom_teacher: str | None
    prior_year_reading_score: float | None
    profile: Mapping[str, object] | None
    fresh: bool


@dataclass(frozen=True)
class BorrowedBook:
    """One loan with what is known of its book; `reading_level` in grades."""

    book_id: str
    checkout_date: date
    return_date: date | None
    student_rating: int | None
    title: str | None
    author: str | None
    genre: Sequence[str]
    keywords: Sequence[str]
    reading_level: float | None
    difficulty_band: str | None


@dataclass(frozen=True)
class SetAside:
    """A book that a child wants later."""

    book_id: str
    title: str | None
    author: str | None
    given_at: datetime


@dataclass(frozen=True)
class NearChild(Called):
    """A neighbour: cosine similarity `sim` in [0, 1], and the books that both borrowed.

    `titles` are up to three of them, those that the neighbour rated best first.
    """

    student_id: str
    sim: float
    display_name: str | None
    grade_level: int | None
    homeroom_teacher: str | None
    level: float | None
    genre_shares: Mapping[str, float]
    shared_ids: Sequence[str]
    titles: Sequence[str]


@dataclass(frozen=True)
class ChildPage:
    """Everything of a child that stands in the tables, as of one moment."""

    child: Child
    loans: list[BorrowedBook]
    set_aside: list[SetAside]
    near: list[NearChild]


def read_child_page(student_id: str) -> ChildPage:
    """Read what a child's page shows, besides recommendations.

    Raises:
        UnknownKeyError: there is no such student.
    """
    with connection() as conn, conn.transaction():
        child = read_child(conn, student_id)
        given = {"student_id": student_id}
        loans = conn.cursor(row_factory=class_row(BorrowedBook)).execute(
            LIST_LOANS, {**given, "most": MAX_LOANS}
        )
        set_aside = conn.cursor(row_factory=class_row(SetAside)).execute(
            LIST_SET_ASIDE, {**given, "most": MAX_SET_ASIDE}
        )
        near = conn.cursor(row_factory=class_row(NearChild)).execute(
            LIST_NEAR, {**given, "most": settings().max_neighbors}
        )
        return ChildPage(child, loans.fetchall(), set_aside.fetchall(), near.fetchall())


def read_child(conn: psycopg.Connection, student_id: str) -> Child:
    """Read a child's row and profile.

    Raises:
        UnknownKeyError: there is no such student.
    """
    with conn.cursor(row_factory=class_row(Child)) as cursor:
        child = cursor.execute(READ_CHILD, {"student_id": student_id}).fetchone()
    if child is None:
        raise UnknownKeyError("unknown_student", student_id)
    return child
