"""Books: search by meaning and words, one book with its freshness, and the books most like it."""

from datetime import datetime

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from routes.api.students import Freshness
from routes.http.operations import Operation, reply
from routes.http.parameters import (
    encode_cursor,
    path_id,
    query_cursor,
    query_flag,
    query_level,
    query_limit,
    query_text,
)
from routes.http.quick_reads import fetch
from workers.books.nearest_books import BookFilter
from workers.books.read import SimilarBook, book_query, find_similar_books
from workers.books.search import MAX_HITS, Hit, ShownBook, search_books
from workers.core.api_keys import Role

DEFAULT_LIMIT = 10
MAX_SIMILAR = 50


class BookOut(BaseModel):
    """A book with all that is known of it; levels in grades."""

    book_id: str
    title: str | None
    author: str | None
    isbn: str | None
    genre: list[str]
    keywords: list[str]
    description: str | None
    page_count: int | None
    publication_year: int | None
    difficulty_band: str | None
    reading_level: float | None
    average_rating: float | None
    language: str | None
    series: str | None
    series_number: float | None
    copies_total: int | None
    copies_available: int | None
    cover_url: str | None
    created_at: datetime
    updated_at: datetime
    freshness: Freshness


class ShownOut(BaseModel):
    """What a list shows of a book; `available` is null where copies are not counted."""

    book_id: str
    title: str | None
    author: str | None
    level: float | None
    genres: list[str]
    language: str | None
    series: str | None
    series_number: float | None
    available: bool | None
    cover_url: str | None

    @classmethod
    def of(cls, book: ShownBook) -> "ShownOut":
        """Take the fields of a shown book."""
        return cls(**{name: getattr(book, name) for name in cls.model_fields})


class WhyOut(BaseModel):
    """Why a book is a hit.

    `by` says whether its meaning, its words or both are near the query; `similarity` is the cosine
    of the vectors, null if it is not among the nearest; `words` are those of the query it holds.
    """

    by: list[str]
    similarity: float | None
    words: list[str]

    @classmethod
    def of(cls, hit: Hit) -> "WhyOut":
        """Say why of a hit."""
        reasons = {"meaning": hit.why.meaning is not None, "words": bool(hit.why.words)}
        return cls(
            by=[name for name, holds in reasons.items() if holds],
            similarity=hit.why.meaning,
            words=list(hit.why.words),
        )


class HitOut(BaseModel):
    """A book that was found; scores only say what stands before what."""

    book: ShownOut
    score: float
    why: WhyOut


class SearchOut(BaseModel):
    """Hits, best first.

    `degraded` names what is missing of the answer: `provider_unavailable` or
    `query_without_meaning`, and books are found by words alone.
    """

    q: str
    hits: list[HitOut]
    degraded: list[str]
    next_cursor: str | None


class SimilarOut(BaseModel):
    """A book like the one asked for; cosine similarity in [0, 1]."""

    book: ShownOut
    similarity: float

    @classmethod
    def of(cls, similar: SimilarBook) -> "SimilarOut":
        """Take the fields of a similar book."""
        return cls(book=ShownOut.of(similar.book), similarity=similar.similarity)


class SimilarBooksOut(BaseModel):
    """Best first; `degraded` says `no_vector_yet` of a book that cannot be compared so far."""

    book_id: str
    similar: list[SimilarOut]
    degraded: list[str]


BOOK = TypeAdapter(BookOut)
SEARCH = TypeAdapter(SearchOut)
SIMILAR = TypeAdapter(SimilarBooksOut)

BOOK_ID = path_id("book_id")
SEARCH_PARAMETERS = (
    query_text("q", "what the book is about, or words of its title or author", needed=True),
    query_level("level_min", "reading level in grades, at least"),
    query_level("level_max", "reading level in grades, at most"),
    query_text("genre", "one of these genres, with commas between them"),
    query_text("language", "a language tag; pt takes pt-br, too"),
    query_flag("available", "whether to leave out books whose copies are all lent"),
    query_limit(MAX_HITS, DEFAULT_LIMIT),
    query_cursor(int),
)


def get_search(
    q: str,
    level_min: float | None,
    level_max: float | None,
    genre: str | None,
    language: str | None,
    available: bool | None,  # noqa: FBT001  # parameters are bound by name
    limit: int,
    cursor: tuple[int | None],
) -> Response:
    """Find books by what they mean and by the words they hold."""
    genres = tuple(each.strip() for each in (genre or "").split(",") if each.strip())
    fitting = BookFilter(level_min, level_max, genres or None, language, bool(available))
    skip = cursor[0] or 0
    found = search_books(q, fitting, limit, skip)
    body = SearchOut(
        q=q,
        hits=[
            HitOut(book=ShownOut.of(hit.book), score=hit.score, why=WhyOut.of(hit))
            for hit in found.hits
        ],
        degraded=found.degraded,
        next_cursor=encode_cursor(skip + limit) if found.more else None,
    )
    return reply(SEARCH, body)


async def get_book(request: Request, book_id: str) -> Response:
    """Answer with a book, what is derived of it, and how fresh that is."""
    book = await fetch(request, book_query(book_id))
    body = BookOut.model_validate({**book.row, "freshness": Freshness.of(book.embedding)})
    return reply(BOOK, body)


def get_similar_books(book_id: str, limit: int) -> Response:
    """Show the books most like one."""
    found = find_similar_books(book_id, limit)
    body = SimilarBooksOut(
        book_id=book_id,
        similar=[SimilarOut.of(each) for each in found.similar],
        degraded=[] if found.has_vector else ["no_vector_yet"],
    )
    return reply(SIMILAR, body)


OPERATIONS = (
    Operation(
        method="GET",
        path="/books/search",
        handler=get_search,
        parameters=SEARCH_PARAMETERS,
        summary="Books by what they mean and by the words they hold, each with why.",
        role=Role.read,
        also=(Role.teacher,),
        answers=SEARCH,
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/books/{book_id}",
        handler=get_book,
        parameters=(BOOK_ID,),
        summary="A book with all that is known of it, and whether its vector is fresh.",
        role=Role.read,
        also=(Role.teacher,),
        answers=BOOK,
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/books/{book_id}/similar",
        handler=get_similar_books,
        parameters=(BOOK_ID, query_limit(MAX_SIMILAR, DEFAULT_LIMIT)),
        summary="The books most like this one by what they are about.",
        role=Role.read,
        also=(Role.teacher,),
        answers=SIMILAR,
        problems=(404, 503),
    ),
)
