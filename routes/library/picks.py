"""The staff's picks: a board per band of grades, in order, with what came of each."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from routes.console.pages import Page
from routes.http.parameters import query_text
from routes.http.problems import Problem
from routes.library.acts import Act, field_of
from routes.library.book import BOOK_ID
from workers.books.nearest_books import BookFilter
from workers.books.search import search_books
from workers.core.api_keys import Role
from workers.core.errors import UnknownKeyError
from workers.library.picks import BANDS, boards_of, list_picks, move_pick

SHOWN_HITS = 8
WORDS = query_text("q", "a title, an author, or what a book is about")


def picks(q: str | None) -> Mapping[str, Any]:
    """Show the boards, and what a search found to pick from."""
    asked = (q or "").strip()
    hits = search_books(asked, BookFilter(), SHOWN_HITS).hits if asked else []
    found = list_picks()
    covers = [pick.cover_url for pick in found] + [hit.book.cover_url for hit in hits]
    return {
        "asked": asked,
        "hits": hits,
        "picked": {pick.book_id for pick in found},
        "boards": boards_of([pick for pick in found if not pick.is_over]),
        "over": [pick for pick in found if pick.is_over],
        "bands": list(BANDS),
        "covers": covers,
    }


def move(request: Request, book_id: str) -> str:
    """Put a pick before another one of its board, or at its end."""
    before = field_of(request, "before")
    try:
        move_pick(book_id, before=before or None)
    except UnknownKeyError:
        raise Problem(404, "one of the two is picked no longer") from None
    return "Moved."


PAGE = Page(
    path="/library/picks",
    template="library/picks.html",
    title="Staff picks",
    read=picks,
    parameters=(WORDS,),
    shows="Boards of staff picks by grade band: until when, in which order, and what came of each.",
    role=Role.librarian,
    menu="Picks",
)
ACTS = (
    Act(
        path="/picks/{book_id}/move",
        act=move,
        parameters=(BOOK_ID,),
        role=Role.librarian,
        audited=True,
    ),
)
