"""The page of a child: level, five books and why, loans, how reading went, readers like them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from starlette.requests import Request

from routes.console.pages import Page
from routes.http.access import Caller, caller_of
from routes.http.parameters import path_id, query_flag, query_level
from routes.http.problems import Problem
from routes.http.scoring import scoring_of
from routes.library.acts import Act, field_of, record
from routes.library.drawings import bar_of_parts, plot_levels
from routes.library.filters import or_blank
from routes.library.words import confidence, fit, trend
from workers.books.diversity import DIVERSITY
from workers.books.recommend import recommend
from workers.books.wanted import Answer, Item, Wanted, level_window
from workers.core.api_keys import Role
from workers.ingest.events import BookFeedback, CheckoutAdded
from workers.library.child import Child, ChildPage, NearChild, read_child_page
from workers.library.known import must_know
from workers.library.reading_history import read_history

CARDS = 5
SHOWN_LOANS = 60
SHOWN_NEAR = 10
# How much lists are spread when something different is wanted, as `scenario` does at the API.
DIFFERENT = 0.6
# After so many days a book that was wanted later comes again by itself.
LATER_DAYS = 30
# Why a book is put aside, and what that is stored as.
ASIDE = {
    "read_at_home": ("hidden", "Read at home"),
    "too_hard": ("hidden", "Too hard"),
    "not_interested": ("disliked", "Not interested"),
}
# What a list did without, for people.
WITHOUT = {
    "no_loans": "There are no loans to go by yet.",
    "levels_wider": "Few books are left near this level, so some are further from it.",
    "levels_any": "No more books are left near this level, so any level is shown.",
    "shown_again": "Some were shown within the last day.",
    "too_few": "There are no more books that fit.",
}

STUDENT_ID = path_id("student_id")
BOOK_ID = path_id("book_id")
FILTERS = (
    or_blank(query_level("level_min", "reading level in grades, at least")),
    or_blank(query_level("level_max", "reading level in grades, at most")),
    query_flag("lent", "whether to show books whose copies are all lent, too"),
    query_flag("different", "whether to look further from what the child reads"),
)


@dataclass(frozen=True)
class Card:
    """A recommended book as a card: how its level suits the child, and the bar of its parts."""

    item: Item
    fit: str
    parts: Sequence[Any]


@dataclass(frozen=True)
class NearGroup:
    """Readers of one grade who are like the child, and the books that they and the child share."""

    grade: int | None
    readers: int
    books: int


def student(
    request: Request,
    student_id: str,
    level_min: float | None,
    level_max: float | None,
    lent: bool | None,  # noqa: FBT001  # parameters are bound by name
    different: bool | None,  # noqa: FBT001
) -> Mapping[str, Any]:
    """Show a child and the books for it."""
    page = read_child_page(student_id)
    today = datetime.now(UTC).date()
    levels = level_window(level_min, level_max)
    answer = recommend(
        scoring_of(request),
        Wanted(
            student_ids=(student_id,),
            limit=CARDS,
            levels=levels,
            available=not lent,
            exclude_ids=tuple(_wanted_later(page)),
            diversity=DIFFERENT if different else DIVERSITY,
        ),
    )
    history = read_history(page.loans, today)
    level = reading_level(page.child)
    return {
        "title": page.child.name,
        "child": page.child,
        "level": level,
        "cards": cards(answer, None if level is None else level["value"]),
        "answer": answer,
        "without": [WITHOUT[code] for code in answer.degraded if code in WITHOUT],
        "aside": {reason: label for reason, (_, label) in ASIDE.items()},
        "filters": {
            "level_min": level_min,
            "level_max": level_max,
            "lent": lent,
            "different": different,
        },
        "set_aside": page.set_aside,
        "loans": page.loans[:SHOWN_LOANS],
        "more_loans": len(page.loans) - SHOWN_LOANS,
        "plot": plot_levels(history),
        "genres": history.genres,
        "near_groups": near_groups(page.near),
        "near": [each for each in page.near if may_name(caller_of(request), each)][:SHOWN_NEAR],
        "today": today,
        "covers": [item.cover_url for item in answer.items],
    }


def reading_level(child: Child) -> dict[str, Any] | None:
    """Put a child's level into words; None until there is a profile."""
    if child.profile is None:
        return None
    found = cast(Mapping[str, Any], child.profile["reading_level"])
    loans = cast(int, child.profile["checkouts"])
    return {
        "value": found["value"],
        "trend": trend(found["slope_per_30_days"]),
        "confidence": confidence(found["confidence"], found["method"], loans),
    }


def cards(answer: Answer, level: float | None) -> list[Card]:
    """Make the cards of an answer."""
    return [Card(item, fit(item.level, level), bar_of_parts(item.parts)) for item in answer.items]


def near_groups(near: Sequence[NearChild]) -> list[NearGroup]:
    """Count readers like the child by grade, the largest group first."""
    by_grade: dict[int | None, list[NearChild]] = defaultdict(list)
    for each in near:
        by_grade[each.grade_level].append(each)
    groups = [
        NearGroup(grade, len(some), len({book for each in some for book in each.shared_ids}))
        for grade, some in by_grade.items()
    ]
    return sorted(groups, key=lambda group: (-group.readers, group.grade or 0))


def may_name(caller: Caller, near: NearChild) -> bool:
    """Say whether a caller may see who a child is: librarians all, teachers their own."""
    return caller.role is not Role.teacher or near.homeroom_teacher in caller.homerooms


def _wanted_later(page: ChildPage) -> list[str]:
    since = datetime.now(UTC) - timedelta(days=LATER_DAYS)
    return [each.book_id for each in page.set_aside if each.given_at > since]


def give(request: Request, student_id: str, book_id: str) -> str:
    """Lend a book to a child today."""
    must_know(student_id, book_id)
    record(
        CheckoutAdded(
            event_type="checkout_added",
            student_id=student_id,
            book_id=book_id,
            checkout_date=datetime.now(UTC).date(),
        ),
        _feedback(request, student_id, book_id, "borrowed"),
    )
    return "Given. It counts from now on; the level follows in a moment."


def put_aside(request: Request, student_id: str, book_id: str) -> str:
    """Never recommend a book to a child again, and keep why."""
    reason = field_of(request, "reason")
    if reason not in ASIDE:
        raise Problem(422, "a reason is needed: read at home, too hard or not interested")
    must_know(student_id, book_id)
    record(_feedback(request, student_id, book_id, ASIDE[reason][0], reason))
    return "It will not be recommended to this child again."


def want_later(request: Request, student_id: str, book_id: str) -> str:
    """Keep a book for later."""
    must_know(student_id, book_id)
    record(_feedback(request, student_id, book_id, "later"))
    return "Kept for later: it stands below, and is not recommended for a month."


def _feedback(
    request: Request, student_id: str, book_id: str, verdict: str, reason: str | None = None
) -> BookFeedback:
    given = field_of(request, "recommendation_id")
    try:
        recommendation_id = UUID(given) if given else None
    except ValueError:
        raise Problem(422, "recommendation_id is not a UUID") from None
    return BookFeedback.model_validate(
        {
            "event_type": "book_feedback",
            "student_id": student_id,
            "book_id": book_id,
            "verdict": verdict,
            "reason": reason,
            "recommendation_id": recommendation_id,
        }
    )


PAGE = Page(
    path="/library/students/{student_id}",
    template="library/student.html",
    title="Student",
    read=student,
    parameters=(STUDENT_ID, *FILTERS),
    shows="A child: level, five books and why, loans, how reading went, readers like them.",
    role=Role.teacher,
)
OF_A_BOOK = "/students/{student_id}/books/{book_id}"
ACTS = (
    Act(path=f"{OF_A_BOOK}/give", act=give, parameters=(STUDENT_ID, BOOK_ID)),
    Act(path=f"{OF_A_BOOK}/aside", act=put_aside, parameters=(STUDENT_ID, BOOK_ID)),
    Act(path=f"{OF_A_BOOK}/later", act=want_later, parameters=(STUDENT_ID, BOOK_ID)),
)
