"""One book as the API shows it, and the books most like it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.books.nearest_books import BookFilter, find_nearest
from workers.books.search import ShownBook, show_books
from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.reads import ReadQuery, Rows
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.ledger.freshness import KeyFreshness

READ_BOOK = query("books/read.read_book")
READ_VECTOR = query("books/read.read_vector")

LEDGER = ("fresh", "stale_since", "updated_at", "last_event", "error", "dead")


@dataclass(frozen=True)
class Book:
    """The stored row, and what the ledger says of its vector; None for a book never told."""

    row: Mapping[str, Any]
    embedding: KeyFreshness | None


@dataclass(frozen=True)
class SimilarBook:
    """A book like another one; cosine similarity in [0, 1]."""

    book: ShownBook
    similarity: float


@dataclass(frozen=True)
class SimilarBooks:
    """The books most like one, best first; `has_vector` is False until it can be compared."""

    has_vector: bool
    similar: list[SimilarBook]


def book_query(book_id: str) -> ReadQuery[Book]:
    """Ask for one book; its answer raises UnknownKeyError if there is none."""

    def read(rows: Rows) -> Book:
        if not rows:
            raise UnknownKeyError("unknown_book", book_id)
        facts = dict(rows[0])
        kind = facts.pop("kind")
        ledger = {name: facts.pop(f"embedding_{name}") for name in LEDGER}
        return Book(facts, None if kind is None else KeyFreshness(Kind(kind), **ledger))

    return ReadQuery(READ_BOOK, {"book_id": book_id}, read)


def find_similar_books(book_id: str, limit: int) -> SimilarBooks:
    """Find the books most like one by what they are about.

    Raises:
        UnknownKeyError: there is no such book.
    """
    spec = settings().student_embedding
    parameters = {"book_id": book_id, "model": spec.model, "dimensions": spec.dimensions}
    with transaction() as conn:
        row = conn.execute(READ_VECTOR, parameters).fetchone()
        if row is None:
            raise UnknownKeyError("unknown_book", book_id)
        if row[0] is None:
            return SimilarBooks(has_vector=False, similar=[])
        near = find_nearest(conn, row[0].to_numpy(), BookFilter(), limit, but=book_id)
        shown = show_books(conn, [each.book_id for each in near])
    return SimilarBooks(
        has_vector=True,
        similar=[
            SimilarBook(shown[each.book_id], min(max(each.likeness, 0.0), 1.0))
            for each in near
            if each.book_id in shown
        ],
    )
