"""Search in the catalogue: by what books mean and by the words they hold, with why of each hit."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from workers.books.fusion import fuse
from workers.books.nearest_books import BookFilter, find_nearest
from workers.books.query_vector import QueryVector, embed_query
from workers.core.queries import query
from workers.core.stores import transaction

FIND_BY_WORDS = query("books/search.find_by_words")
SHOW_BOOKS = query("books/search.show_books")

MAX_HITS = 50
# Places of each ranking that are fused: nobody reads further, and earlier pages stay as they are.
POOL = 100
# A word that more books hold says too little to look them all up.
MAX_BOOKS_OF_A_WORD = 500
# More words than a title has; the last ones count.
MAX_WORDS = 16
# Of what a query's words weigh, a book holds at least so much, or its words are no reason.
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class ShownBook:
    """What a list shows of a book; `level` in grades."""

    book_id: str
    title: str | None
    author: str | None
    level: float | None
    genres: Sequence[str]
    language: str | None
    series: str | None
    series_number: float | None
    copies_available: int | None
    cover_url: str | None

    @property
    def available(self) -> bool | None:
        """Whether a copy is there; None where copies are not counted."""
        return None if self.copies_available is None else self.copies_available > 0


@dataclass(frozen=True)
class Why:
    """Why a book is a hit.

    `meaning` is the cosine of its vector and the query's, None where it is not among the nearest.
    `words` are those of the query that it holds.
    """

    meaning: float | None
    words: Sequence[str]


@dataclass(frozen=True)
class Hit:
    """A book that was found; scores only say what stands before what."""

    book: ShownBook
    score: float
    why: Why


@dataclass(frozen=True)
class Found:
    """A page of hits, best first; `more` says whether others follow.

    `degraded` names what is missing: without a query's vector it is found by words alone.
    """

    hits: list[Hit]
    degraded: list[str]
    more: bool


@dataclass(frozen=True)
class WordsHeld:
    """A book that holds `words` of a query, `share` of what all of them weigh.

    `named` says how much of the query is its title or its author's name: a place in
    `fusion.NAMED_WEIGHTS`.
    """

    book_id: str
    words: Sequence[str]
    share: float
    named: int


def search_books(
    text: str, fitting: BookFilter, limit: int, skip: int = 0, *, by_meaning: bool = True
) -> Found:
    """Find books by a text, `limit` of them after the first `skip`.

    As many as asked, while books fit: those whose words say nothing are ranked by meaning. Not
    `by_meaning`, the text goes to no provider, and only its words are looked for.
    """
    asked = embed_query(text) if by_meaning else QueryVector(None)
    with transaction() as conn:
        # First, because what the other sets for its search holds until the end.
        held = find_by_words(conn, text, fitting, POOL)
        near = find_nearest(conn, asked.vector, fitting, POOL) if asked.vector is not None else []
        likeness = {book.book_id: book.likeness for book in near}
        words = {each.book_id: each.words for each in held}
        ranked = fuse(list(likeness), list(words), {each.book_id: each.named for each in held})
        page = ranked[skip : skip + limit]
        shown = show_books(conn, [book_id for book_id, _ in page])
    hits = [
        Hit(shown[book_id], score, Why(likeness.get(book_id), words.get(book_id, ())))
        for book_id, score in page
        # Not those that were deleted since.
        if book_id in shown
    ]
    missing = [] if asked.missing is None else [asked.missing]
    return Found(hits, missing, more=len(ranked) > skip + limit)


def show_books(conn: psycopg.Connection, book_ids: Sequence[str]) -> dict[str, ShownBook]:
    """Read what a list shows of its books, by id and in their order."""
    with conn.cursor(row_factory=class_row(ShownBook)) as cursor:
        rows = cursor.execute(SHOW_BOOKS, {"ids": list(book_ids)}).fetchall()
    return {row.book_id: row for row in rows}


def find_by_words(
    conn: psycopg.Connection, text: str, fitting: BookFilter, most: int
) -> list[WordsHeld]:
    """Find the `most` books that hold most of a query's words, by what each word weighs."""
    parameters = {
        **fitting.parameters(),
        "q": text,
        "most": most,
        "most_books": MAX_BOOKS_OF_A_WORD,
        "most_words": MAX_WORDS,
        "least_share": LEAST_SHARE,
    }
    with conn.cursor(row_factory=class_row(WordsHeld)) as cursor:
        return cursor.execute(FIND_BY_WORDS, parameters, prepare=True).fetchall()
