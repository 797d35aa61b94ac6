"""The library's first page: a search, classes, picks, arrivals, what nobody borrows, freshness."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from routes.console.pages import Page
from routes.http.access import Caller, caller_of
from routes.http.parameters import query_text
from routes.library.words import count, listed
from workers.books.nearest_books import BookFilter
from workers.books.search import search_books
from workers.core.api_keys import Role
from workers.core.vocabulary import Kind
from workers.ledger.contract import KindFreshness, summarize
from workers.library.home import find_children, read_home

SHOWN_HITS = 20
# What the library derives, in the words of its people.
DERIVED = {
    Kind.student_embedding: ("level", "levels"),
    Kind.student_neighbors: ("circle of similar readers", "circles of similar readers"),
    Kind.book_embedding: ("description of a book", "descriptions of books"),
}

WORDS = query_text("q", "a title, an author, what a book is about, or a child's name")


def home(request: Request, q: str | None) -> Mapping[str, Any]:
    """Show the first page, or what a search found."""
    asked = (q or "").strip()
    homerooms = homerooms_of(caller_of(request))
    if asked:
        # What may be the name of a child, whoever sees that child, goes to no provider.
        is_name = bool(find_children(asked, None))
        found = search_books(asked, BookFilter(), SHOWN_HITS, by_meaning=not is_name)
        return {
            "asked": asked,
            "hits": found.hits,
            "degraded": found.degraded,
            "children": find_children(asked, homerooms),
            "covers": [hit.book.cover_url for hit in found.hits],
        }
    lists = read_home(homerooms)
    shown = (*lists.picked, *lists.arrivals, *lists.unborrowed)
    return {
        "asked": "",
        "lists": lists,
        "freshness": say_freshness(summarize()),
        "covers": [book.cover_url for book in shown],
    }


def homerooms_of(caller: Caller) -> Sequence[str] | None:
    """Return the homerooms that a caller sees; None for all."""
    return caller.homerooms if caller.role is Role.teacher else None


def say_freshness(kinds: Sequence[KindFreshness]) -> tuple[bool, str]:
    """Say whether everything that the library shows is fresh, and in words what is not."""
    of_library = [row for row in kinds if row.kind in DERIVED]
    waiting = [count(row.stale, *DERIVED[row.kind]) for row in of_library if row.stale]
    given_up = [count(row.dead, *DERIVED[row.kind]) for row in of_library if row.dead]
    said = []
    if given_up:
        said.append(f"{listed(given_up)} could not be worked out: the operator knows more.")
    if waiting:
        late = any(not row.ok and not row.dead for row in of_library)
        how = "waiting for longer than they should" if late else "being worked in"
        one = len(waiting) == 1 and waiting[0].startswith("one ")
        said.append(f"{listed(waiting)} {'is' if one else 'are'} {how}.")
    if not said:
        return True, "Everything here is fresh: every loan and every change is worked in."
    return False, " ".join(sentence[0].upper() + sentence[1:] for sentence in said)


PAGE = Page(
    path="/library",
    template="library/home.html",
    title="Library",
    read=home,
    parameters=(WORDS,),
    shows="A search, classes, picks, arrivals, what nobody borrows, and whether all is fresh.",
    role=Role.teacher,
    menu="Home",
)
