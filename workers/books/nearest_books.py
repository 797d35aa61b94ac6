"""The books nearest to a vector, of those that fit a filter: as many as asked, at bounded cost."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from workers.books.search_plan import EF_SEARCH, plan_search
from workers.books.vector_index import indexed_books
from workers.core.queries import query
from workers.core.settings import settings
from workers.embedding.texts import Vector

COUNT_FITTING = query("books/nearest_books.count_fitting")
SET_SEARCH = query("books/nearest_books.set_search")
NEAREST_INDEXED = query("books/nearest_books.nearest_indexed")
NEAREST_COMPARED = query("books/nearest_books.nearest_compared")


@dataclass(frozen=True)
class BookFilter:
    """What books may be; None lets everything through. Levels in grades, both ends included.

    Any of `genres` is enough, however it is written. `language` is a tag: `pt` takes `pt-br`,
    too. `available` leaves out books whose copies are known to be lent.
    """

    level_min: float | None = None
    level_max: float | None = None
    genres: tuple[str, ...] | None = None
    language: str | None = None
    available: bool = False

    def parameters(self) -> dict[str, object]:
        """Name the values as the statements do."""
        return {
            "level_min": self.level_min,
            "level_max": self.level_max,
            "genres": None if self.genres is None else list(self.genres),
            "tag": self.language and self.language.lower(),
            "available": self.available,
        }


@dataclass(frozen=True)
class NearBook:
    """A book and the cosine of its vector and the one searched for, in [-1, 1]."""

    book_id: str
    likeness: float


def find_nearest(
    conn: psycopg.Connection, vector: Vector, fitting: BookFilter, most: int, but: str = ""
) -> list[NearBook]:
    """Find the nearest `most` books inside the caller's transaction, all of them if need be.

    Few that fit are compared one by one; of many the index yields the nearest until enough fit,
    and if they all lie far away, what fits is compared after all.

    Args:
        but: a book that is left out, the one that others are compared with.
    """
    spec = settings().student_embedding
    parameters = {
        **fitting.parameters(),
        "everything": fitting == BookFilter(),
        "vec": vector,
        "but": but,
        "model": spec.model,
        "dimensions": spec.dimensions,
    }
    books = indexed_books(conn)
    plan = None if books is None else plan_search(books, most)
    if plan is not None and not _fit_few(conn, fitting, plan.compared):
        statement = sql.SQL(NEAREST_INDEXED).format(
            model=sql.Literal(spec.model), dimensions=sql.Literal(spec.dimensions)
        )
        conn.execute(SET_SEARCH, {"ef_search": EF_SEARCH})
        indexed = {**parameters, "most": most, "yielded": plan.yielded}
        found = _nearest(conn, statement, indexed)
        if len(found) == most:
            return found
    return _nearest(conn, sql.SQL(NEAREST_COMPARED), {**parameters, "most": most})


def _fit_few(conn: psycopg.Connection, fitting: BookFilter, few: int) -> bool:
    if fitting == BookFilter():
        return False
    # Planned for these values: a plan for any values cannot leave filters out.
    counted = {**fitting.parameters(), "most": few + 1}
    row = conn.execute(COUNT_FITTING, counted, prepare=False).fetchone()
    return row is not None and row[0] <= few


def _nearest(
    conn: psycopg.Connection, statement: sql.Composed | sql.SQL, parameters: dict[str, object]
) -> list[NearBook]:
    # Planned for these values, where they leave filters out; without any there is one plan.
    prepare = bool(parameters["everything"])
    return [NearBook(*row) for row in conn.execute(statement, parameters, prepare=prepare)]
