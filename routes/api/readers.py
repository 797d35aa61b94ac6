"""Readers without an account: a list under a secret code, and books for it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from routes.http.operations import OPEN, Operation, json_body, media_type, reply
from routes.http.parameters import path_name, query_limit
from routes.http.problems import Problem
from routes.http.scoring import scoring_of
from routes.http.strangers import NEW, READS, WRITES, count_stranger
from routes.http.whole_numbers import AS_WHOLE
from workers.books.wanted import MAX_LIMIT
from workers.readers.exports import read_list
from workers.readers.listed import MAX_BYTES, MAX_ROWS, MAX_TEXT, ListedBook, isbn_core
from workers.readers.recommend import ForReader, match_list, recommend_to_reader
from workers.readers.store import (
    KEPT_DAYS,
    Reader,
    delete_reader,
    keep_reader,
    read_reader,
    replace_books,
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]


class ReadBook(BaseModel):
    """A book that somebody has read; `rating` from 1 to 5."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Text
    author: Text | None = None
    isbn: Annotated[str, StringConstraints(max_length=20)] | None = None
    rating: Annotated[int, Field(ge=1, le=5), AS_WHOLE] | None = None


class KeptUnder(BaseModel):
    """The code of a new list. Nothing else will tell it, and only a hash of it is stored."""

    code: str
    kept_days: int


class MatchedBook(BaseModel):
    """A book of the list, and the one of the catalogue that it is, if any."""

    title: str
    book_id: str | None


class Matched(BaseModel):
    """What was found of a list, in its order and each book once."""

    listed: int
    matched: int
    books: list[MatchedBook]


class Deleted(BaseModel):
    """That a list is gone, with everything that belonged to it."""

    deleted: bool


BOOKS_IN = TypeAdapter(Annotated[list[ReadBook], Field(min_length=1, max_length=MAX_ROWS)])
KEPT = TypeAdapter(KeptUnder)
MATCHED = TypeAdapter(Matched)
DELETED = TypeAdapter(Deleted)
FOR_READER = TypeAdapter(ForReader)

CODE = path_name("code")
LIMIT = query_limit(MAX_LIMIT, 10)


def post_reader(request: Request) -> Response:
    """Begin an empty list under a new code."""
    count_stranger(request, NEW)
    code = keep_reader(Reader([], {}))
    return reply(KEPT, KeptUnder(code=code, kept_days=KEPT_DAYS), 201)


def put_reader_books(request: Request, code: str) -> Response:
    """Put a list in the place of the one that was there, and say what was found of it."""
    count_stranger(request, WRITES)
    read_reader(code)
    books = match_list(scoring_of(request), _listed(request))
    replace_books(code, books)
    found = [MatchedBook(title=book.title, book_id=book.book_id) for book in books]
    matched = sum(book.book_id is not None for book in books)
    return reply(MATCHED, Matched(listed=len(books), matched=matched, books=found))


def get_reader_recommendations(request: Request, code: str, limit: int) -> Response:
    """Recommend books for a list, as things stand."""
    count_stranger(request, READS)
    return reply(FOR_READER, recommend_to_reader(scoring_of(request), read_reader(code), limit))


def delete_reader_list(request: Request, code: str) -> Response:
    """Delete a list with everything that belongs to it."""
    count_stranger(request, READS)
    delete_reader(code)
    return reply(DELETED, Deleted(deleted=True))


def _listed(request: Request) -> list[ListedBook]:
    body: bytes = request.state.body
    if media_type(request) != "application/json":
        return read_list(body)
    if len(body) > MAX_BYTES:
        raise Problem(413, f"a list has at most {MAX_BYTES // 1024 // 1024} MB")
    return [
        ListedBook(book.title, book.author, isbn_core(book.isbn or ""), book.rating)
        for book in json_body(request, BOOKS_IN)
    ]


OPERATIONS = (
    Operation(
        method="POST",
        path="/readers",
        handler=post_reader,
        summary="A list for somebody without an account; its code is told once and opens it.",
        role=OPEN,
        answers=KEPT,
        status=201,
        problems=(429, 503),
    ),
    Operation(
        method="PUT",
        path="/readers/{code}/books",
        handler=put_reader_books,
        parameters=(CODE,),
        summary="What a reader has read: as JSON, as lines, or as an export of a reading site.",
        role=OPEN,
        accepts={
            "application/json": BOOKS_IN,
            "text/csv": None,
            "text/tab-separated-values": None,
            "text/plain": None,
        },
        answers=MATCHED,
        problems=(404, 429, 503),
    ),
    Operation(
        method="GET",
        path="/readers/{code}/recommendations",
        handler=get_reader_recommendations,
        parameters=(CODE, LIMIT),
        summary="Books for a reader's list, with scores and reasons.",
        role=OPEN,
        answers=FOR_READER,
        problems=(404, 429, 503),
    ),
    Operation(
        method="DELETE",
        path="/readers/{code}",
        handler=delete_reader_list,
        parameters=(CODE,),
        summary="Delete a reader's list with everything that belongs to it.",
        role=OPEN,
        answers=DELETED,
        problems=(404, 429, 503),
    ),
)
