"""The page of readers without an account: a list goes in, books come out, nothing stays unasked."""

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from routes.console.pages import answered_by_pages, render
from routes.http.access import refuse_other_sites
from routes.http.form_data import FormData, read_form_data
from routes.http.problems import Problem
from routes.http.scoring import scoring_of
from routes.http.strangers import NEW, READS, WRITES, count_stranger
from routes.library.drawings import bar_of_parts
from routes.library.student import WITHOUT, Card
from routes.library.words import fit
from workers.core.errors import ReadingListError, UnknownKeyError
from workers.core.settings import settings
from workers.readers.exports import read_list
from workers.readers.listed import MAX_BYTES, MAX_ROWS, ListedBook
from workers.readers.recommend import match_list, recommend_to_reader
from workers.readers.store import (
    KEPT_DAYS,
    Reader,
    delete_reader,
    keep_reader,
    plain_code,
    read_reader,
    replace_books,
    say_verdict,
)

PATH = "/reader"
# Only set for somebody who asked for the list to be kept, or opened a kept one.
COOKIE = "kinfold_reader"
CARDS = 10
# Entries of a list that the page names; the others count all the same.
SHOWN_ENTRIES = 200
# The fields of a form, and a verdict on each book that was shown before.
MAX_PARTS = 1000
VERDICTS = ("liked", "disliked")
# What a list did without, in words of this page; other codes are those of a student.
OF_LISTS = {
    "no_loans": "None of these titles is in this library, so the books go by what they are about.",
    "titles_not_embedded": "What titles that are not here are about could not be looked up now.",
}
SAID = {
    "deleted": "Your list is deleted, and so is everything that belonged to it.",
    "left": "This device has forgotten your list. Its code opens it again.",
    "unknown": "There is no list of this code. After thirty days without use a list is deleted.",
}


@dataclass(frozen=True)
class Entry:
    """A line of the list, and the title of the book that it was taken for, None for none."""

    book: ListedBook
    found: str | None


def get_reader(request: Request) -> Response:
    """Show the form, or the list that this device keeps."""
    count_stranger(request, READS)
    code = request.cookies.get(COOKIE)
    said = SAID.get(request.query_params.get("said", ""))
    if code is None:
        return render(request, None, "reader.html", **_frame(said))
    try:
        reader = read_reader(code)
    except UnknownKeyError:
        response = render(request, None, "reader.html", **_frame(SAID["unknown"]))
        response.delete_cookie(COOKIE, path=PATH)
        return response
    response = _answer(request, reader, said, code)
    _remember(response, code)
    return response


def post_reader(request: Request) -> Response:
    """Take a list, or a verdict on a book, and show what follows from it."""
    form = _form(request, WRITES)
    code = _kept_code(request)
    try:
        listed = _listed(form)
    except ReadingListError as error:
        return _refused(request, str(error))
    verdicts = _verdicts(form)
    if code is not None and not listed:
        for book_id, verdict in verdicts.items():
            say_verdict(code, book_id, verdict)
        return RedirectResponse(PATH, 303)
    if not listed:
        return _refused(request, "there is no title in this list")
    reader = Reader(match_list(scoring_of(request), listed), verdicts)
    if code is not None:
        replace_books(code, reader.books)
        return RedirectResponse(PATH, 303)
    if not form.text("keep"):
        return _answer(request, reader, None, None)
    count_stranger(request, NEW)
    response = RedirectResponse(PATH, 303)
    _remember(response, keep_reader(reader))
    return response


def _kept_code(request: Request) -> str | None:
    """Read the code that this device keeps, while there is a list of it."""
    code = request.cookies.get(COOKIE)
    try:
        if code is not None:
            read_reader(code)
    except UnknownKeyError:
        return None
    return code


def open_reader(request: Request) -> Response:
    """Open a kept list by its code."""
    code = plain_code(_form(request, WRITES).text("code"))
    try:
        read_reader(code)
    except UnknownKeyError:
        return RedirectResponse(f"{PATH}?said=unknown", 303)
    response = RedirectResponse(PATH, 303)
    _remember(response, code)
    return response


def leave_reader(request: Request) -> Response:
    """Forget a list on this device, and keep it."""
    _form(request, WRITES)
    return _forget("left")


def delete_kept(request: Request) -> Response:
    """Delete the list of this device with everything that belongs to it."""
    _form(request, WRITES)
    code = request.cookies.get(COOKIE)
    if code is not None:
        # One that was deleted before is what was asked for, too.
        with suppress(UnknownKeyError):
            delete_reader(code)
    return _forget("deleted")


def _form(request: Request, limit: RateLimitItem) -> FormData:
    refuse_other_sites(request)
    count_stranger(request, limit)
    return read_form_data(request, most_parts=MAX_PARTS)


def _refused(request: Request, why: str) -> Response:
    return render(
        request, None, "reader.html", 422, **{**_frame(None), "wrong": f"Not read: {why}."}
    )


def _listed(form: FormData) -> list[ListedBook]:
    """Read what was pasted, chosen as a file, or shown before."""
    texts = [form.text("list").encode(), form.file("file"), form.text("books").encode()]
    given = [text for text in texts if text.strip()]
    listed = [book for text in given for book in read_list(text)]
    if len(listed) > MAX_ROWS:
        raise ReadingListError(f"a list has at most {MAX_ROWS:,} books")
    return listed


def _verdicts(form: FormData) -> dict[str, str]:
    """Read what was said of books; the newest counts, which comes last of its kind."""
    found = {book_id: name for name in VERDICTS for book_id in form.fields.get(name, ())}
    if any(not 0 < len(book_id) <= 200 or "\0" in book_id for book_id in found):
        raise Problem(422, "this names no book")
    return found


def _answer(request: Request, reader: Reader, said: str | None, code: str | None) -> Response:
    scoring = scoring_of(request)
    answer = recommend_to_reader(scoring, reader, CARDS)
    arrays = scoring.known()
    titles = {} if arrays is None else arrays.titles
    words = WITHOUT | OF_LISTS
    shown = {
        "cards": [
            Card(item, fit(item.level, answer.level), bar_of_parts(item.parts))
            for item in answer.items
        ],
        "answer": answer,
        "without": [words[each] for each in answer.degraded if each in words],
        "entries": _entries(reader.books, titles),
        "liked": [
            titles[book_id][0]
            for book_id, verdict in reader.verdicts.items()
            if verdict == "liked" and book_id in titles
        ],
        "covers": [item.cover_url for item in answer.items],
    }
    # What is not kept comes back with the next form.
    state = {} if code else {"books": _as_csv(reader.books), "verdicts": reader.verdicts}
    return render(
        request, None, "reader.html", **{**_frame(said), **shown, **state, "code": _spaced(code)}
    )


def _frame(said: str | None) -> dict[str, Any]:
    """Name what the page shows without a list."""
    return {
        "title": "Your next book",
        "said": said,
        "wrong": None,
        "kept_days": KEPT_DAYS,
        "most_megabytes": MAX_BYTES // 1024 // 1024,
        "most_books": MAX_ROWS,
        "has_provider": settings().embedder == "openai",
        "answer": None,
        "cards": (),
        "without": (),
        "entries": (),
        "liked": (),
        "code": None,
        "books": None,
        "verdicts": {},
    }


def _entries(
    books: Sequence[ListedBook], titles: Mapping[str, tuple[str, str | None]]
) -> list[Entry]:
    return [
        Entry(book, titles.get(book.book_id or "", (None, None))[0])
        for book in books[:SHOWN_ENTRIES]
    ]


def _as_csv(books: Sequence[ListedBook]) -> str:
    """Write a list as `read_list` reads it, with the books that it was matched with."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["title", "author", "rating", "book_id"])
    writer.writerows([book.title, book.author, book.rating, book.book_id] for book in books)
    return text.getvalue()


def _spaced(code: str | None) -> str | None:
    """Write a code in parts that people can read out.

    >>> _spaced("abcdefgh")
    'abcd-efgh'
    """
    if code is None:
        return None
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def _remember(response: Response, code: str) -> None:
    response.set_cookie(
        COOKIE,
        code,
        max_age=KEPT_DAYS * 86_400,
        path=PATH,
        secure=settings().kinfold_env == "production",
        httponly=True,
        samesite="lax",
    )


def _forget(said: str) -> Response:
    response = RedirectResponse(f"{PATH}?said={said}", 303)
    response.delete_cookie(COOKIE, path=PATH)
    return response


ROUTES = [
    Route(PATH, answered_by_pages(get_reader), methods=["GET"]),
    Route(PATH, answered_by_pages(post_reader), methods=["POST"]),
    Route(f"{PATH}/open", answered_by_pages(open_reader), methods=["POST"]),
    Route(f"{PATH}/leave", answered_by_pages(leave_reader), methods=["POST"]),
    Route(f"{PATH}/delete", answered_by_pages(delete_kept), methods=["POST"]),
]
