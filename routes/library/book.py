"""The page of a book: who borrowed it, what goes with it, its level, copies, and what staff do."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from routes.console.pages import Page
from routes.http.access import caller_of
from routes.http.parameters import path_id
from routes.http.problems import Problem
from routes.http.scoring import scoring_of
from routes.library.acts import Act, field_of, fields_of, record
from routes.library.home import homerooms_of
from routes.library.words import count
from workers.books.read import find_similar_books
from workers.books.recommend import look_up
from workers.books.wanted import Wanted
from workers.core.api_keys import Role
from workers.core.errors import UnknownKeyError
from workers.ingest.events import BookChanged, StaffPickAdded, StaffPickRemoved
from workers.library.book import (
    ENOUGH_READERS,
    BookFacts,
    ReadersFreshness,
    hide_book,
    read_book,
    read_book_page,
    unhide_book,
)
from workers.library.picks import BANDS

SHOWN = 6
BOOK_ID = path_id("book_id")


def book(request: Request, book_id: str) -> Mapping[str, Any]:
    """Show a book and its readers."""
    page = read_book_page(book_id)
    near = find_similar_books(book_id, SHOWN)
    also = _also_borrowed(request, page.book)
    homerooms = homerooms_of(caller_of(request))
    own = [each for each in page.out if homerooms is None or each.homeroom_teacher in homerooms]
    # One or two readers' levels would be those of children whom a teacher may not see.
    few = homerooms is not None and page.levels.readers < ENOUGH_READERS
    levels = replace(page.levels, quartiles=None) if few else page.levels
    covers = [page.book.cover_url, *(each.cover_url for each in also)]
    return {
        "title": page.book.name,
        "book": page.book,
        "grades": page.grades,
        "most_readers": max((row.readers for row in page.grades), default=0),
        "levels": levels,
        "differs": levels.differ_from(page.book.level),
        "freshness": page.freshness,
        "said": say_freshness(page.freshness),
        "out": own,
        "others_out": len(page.out) - len(own),
        "also": also,
        "near": near,
        "bands": list(BANDS),
        "covers": [*covers, *(each.book.cover_url for each in near.similar)],
    }


def _also_borrowed(request: Request, found: BookFacts) -> list[Any]:
    """Find what readers of a book also borrowed; nothing where the arrays do not know it yet."""
    try:
        wanted = Wanted(book_id=found.book_id, limit=SHOWN, available=False)
        answer = look_up(scoring_of(request), wanted)
    except UnknownKeyError:
        return []
    return [item for item in answer.items if item.parts.get("readers", 0) > 0]


def say_freshness(freshness: ReadersFreshness) -> str:
    """Say whether everything about a book's readers reflects it.

    >>> say_freshness(ReadersFreshness(12, 3))
    '3 of 12 readers are being worked in: their levels and similar readers follow.'
    """
    if not freshness.readers:
        return "Nobody has borrowed it yet, so nobody's level depends on it."
    if freshness.stale:
        of_all = f"{freshness.stale} of {freshness.readers} readers"
        is_or_are = "is" if freshness.stale == 1 else "are"
        return f"{of_all} {is_or_are} being worked in: their levels and similar readers follow."
    one = freshness.readers == 1
    whose = "Its one reader is" if one else f"All {count(freshness.readers, 'reader')} are"
    return f"{whose} fresh: levels and similar readers reflect what is said here."


def pick(request: Request, book_id: str) -> str:
    """Pick a book for a band of grades."""
    found = read_book(book_id)
    band = field_of(request, "band")
    if band not in BANDS:
        raise Problem(422, "choose for whom it is picked")
    grades = BANDS[band]
    try:
        event = StaffPickAdded.model_validate(
            {
                "event_type": "staff_pick_added",
                "book_id": book_id,
                "grades": None if grades is None else list(grades),
                "until": field_of(request, "until") or None,
                "note": field_of(request, "note") or None,
            },
            strict=False,
        )
    except ValidationError as error:
        raise Problem(422, _said(error)) from None
    record(event)
    return f"{found.name} is picked: it counts in the very next list."


def unpick(book_id: str) -> str:
    """Take a book off the picks."""
    found = read_book(book_id)
    record(StaffPickRemoved(event_type="staff_pick_removed", book_id=book_id))
    return f"{found.name} is picked no longer."


def hide(request: Request, book_id: str) -> str:
    """Recommend a book to nobody."""
    found = read_book(book_id)
    hide_book(book_id, caller_of(request).name)
    return f"{found.name} is recommended to nobody from now on. It stays in the catalogue."


def unhide(book_id: str) -> str:
    """Let a book be recommended again."""
    found = read_book(book_id)
    unhide_book(book_id)
    return f"{found.name} may be recommended again."


def correct(request: Request, book_id: str) -> str:
    """Correct level, genres or keywords; only what differs is said."""
    found = read_book(book_id)
    if found.title is None:
        raise Problem(422, "the catalogue does not know this book yet")
    given: dict[str, object] = {}
    fields = fields_of(request)
    if "level" in fields:
        text = field_of(request, "level").replace(",", ".")
        if text != ("" if found.level is None else f"{found.level:g}"):
            given["reading_level"] = text or None
    for name, stored in (("genre", found.genre), ("keywords", found.keywords)):
        if name in fields:
            tags = [tag.strip() for tag in field_of(request, name).split(",") if tag.strip()]
            if tags != list(stored):
                given[name] = tags
    if not given:
        raise Problem(422, "nothing differs from what is known")
    try:
        event = BookChanged.model_validate(
            {"event_type": "book_updated", "book_id": book_id, "title": found.title, **given},
            strict=False,
        )
    except ValidationError as error:
        raise Problem(422, _said(error)) from None
    record(event)
    return "Corrected. Its readers are being worked in; this page says when all are fresh again."


def _said(error: ValidationError) -> str:
    """Say what is wrong with a form's fields, without repeating them."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False, include_context=False)
    )


PATH = "/books/{book_id}"
PAGE = Page(
    path=f"/library{PATH}",
    template="library/book.html",
    title="Book",
    read=book,
    parameters=(BOOK_ID,),
    shows="A book: who borrowed it, what goes with it, its level against its readers', copies.",
    role=Role.teacher,
)
ACTS = tuple(
    Act(
        path=f"{PATH}/{name}",
        act=act,
        parameters=(BOOK_ID,),
        role=Role.librarian,
        audited=True,
    )
    for name, act in (
        ("pick", pick),
        ("unpick", unpick),
        ("hide", hide),
        ("unhide", unhide),
        ("correct", correct),
    )
)
