"""The page of a class: its children, what they read next, books for all, groups, slips, a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from routes.console.pages import Page
from routes.http.access import Caller, caller_of
from routes.http.parameters import path_id, query_choice, query_flag, query_level
from routes.http.scoring import scoring_of
from routes.library.downloads import Download, Rows
from routes.library.filters import or_blank, query_count
from routes.library.student import WITHOUT
from routes.library.words import listed
from workers.books.next_books import NextBook, next_books
from workers.books.recommend import recommend
from workers.books.wanted import MAX_STUDENTS, Wanted, level_window
from workers.core.api_keys import Role
from workers.core.errors import UnknownKeyError
from workers.library.classroom import (
    ChildInClass,
    Order,
    class_genres,
    in_order,
    level_bands,
    list_children,
)
from workers.library.reading_groups import group_children

BOOKS_FOR_ALL = 10
BOOKS_ON_A_SLIP = 3
MAX_COPIES = 50
ORDERS = {
    Order.name: "name",
    Order.quiet: "nothing for three weeks",
    Order.still: "level stands still",
    Order.level: "level",
    Order.loans: "loans in 30 days",
}

HOMEROOM = path_id("teacher")
ORDER = or_blank(query_choice("sort", Order, "what the children are sorted by"))


@dataclass(frozen=True)
class Row:
    """A child of the class and the book that it might read next."""

    child: ChildInClass
    following: NextBook | None


def classroom(
    request: Request,
    teacher: str,
    sort: Order | None,
    together: bool | None,  # noqa: FBT001  # parameters are bound by name
    level_min: float | None,
    level_max: float | None,
    copies: int,
    groups: bool | None,  # noqa: FBT001
) -> Mapping[str, Any]:
    """Show the children of a class and their next books."""
    children = children_of(caller_of(request), teacher)
    order = sort or Order.name
    following = next_books(scoring_of(request), [child.student_id for child in children], 1)
    rows = [
        Row(child, next(iter(following[child.student_id]), None))
        for child in in_order(children, order)
    ]
    levels = level_window(level_min, level_max)
    answer = None
    if together:
        members = tuple(child.student_id for child in children[:MAX_STUDENTS])
        answer = recommend(
            scoring_of(request),
            Wanted(student_ids=members, limit=BOOKS_FOR_ALL, levels=levels, copies=copies),
        )
    bands = level_bands(children)
    return {
        "title": teacher,
        "teacher": teacher,
        "rows": rows,
        "order": order,
        "orders": ORDERS,
        "reading": sum(child.recent_loans > 0 for child in children),
        "bands": bands,
        "most_in_band": max((band.children for band in bands), default=0),
        "genres": class_genres(children),
        "together": answer,
        "asked": {"level_min": level_min, "level_max": level_max, "copies": copies},
        "without": [WITHOUT[code] for code in answer.degraded if code in WITHOUT] if answer else [],
        "grouping": group_children(teacher, children) if groups else None,
        "covers": [item.cover_url for item in answer.items] if answer else [],
        "names": {child.student_id: child.name for child in children},
    }


def slips(request: Request, teacher: str) -> Mapping[str, Any]:
    """Show a slip per child to print and cut: three books and why."""
    children = children_of(caller_of(request), teacher)
    ids = [child.student_id for child in children]
    following = next_books(scoring_of(request), ids, BOOKS_ON_A_SLIP)
    return {
        "title": f"Slips for {teacher}",
        "teacher": teacher,
        "slips": [(child, following[child.student_id]) for child in children],
    }


def file_of(request: Request, teacher: str) -> Rows:
    """Write the class as a table, a row per child."""
    children = children_of(caller_of(request), teacher)
    following = next_books(scoring_of(request), [child.student_id for child in children], 1)
    return _lines(children, following)


def _lines(
    children: Sequence[ChildInClass], following: Mapping[str, Sequence[NextBook]]
) -> Iterator[Sequence[object]]:
    yield (
        *("student_id", "name", "grade", "level", "level_per_month", "days_since_loan"),
        *("loans_in_30_days", "loans", "genres", "next_book", "next_author", "why"),
    )
    for child in children:
        best = next(iter(following[child.student_id]), None)
        yield (
            *(child.student_id, child.display_name, child.grade_level, _digits(child.level, 1)),
            *(_digits(child.slope, 2), child.days_since_loan, child.recent_loans, child.loans),
            listed(child.genres),
            *(best and best.book.title, best and best.book.author),
            " ".join(reason.text for reason in best.reasons) if best else None,
        )


def children_of(caller: Caller, teacher: str) -> list[ChildInClass]:
    """List the children of a class that the caller may see.

    Raises:
        UnknownKeyError: nobody is in it, or it is another teacher's.
    """
    if caller.role is Role.teacher and teacher not in caller.homerooms:
        raise UnknownKeyError("unknown_class", teacher)
    return list_children(teacher)


def _digits(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


PATH = "/library/classes/{teacher}"
PAGE = Page(
    path=PATH,
    template="library/classroom.html",
    title="Class",
    read=classroom,
    parameters=(
        HOMEROOM,
        ORDER,
        query_flag("together", "whether to show books for the whole class"),
        or_blank(query_level("level_min", "reading level in grades, at least")),
        or_blank(query_level("level_max", "reading level in grades, at most")),
        query_count("copies", MAX_COPIES),
        query_flag("groups", "whether to show reading groups"),
    ),
    shows="A class: levels, loans and the next book of each child; books for all, reading groups.",
    role=Role.teacher,
)
SLIPS = Page(
    path=f"{PATH}/slips",
    template="library/slips.html",
    title="Slips",
    read=slips,
    parameters=(HOMEROOM,),
    shows="A slip per child to print: three books, and why.",
    role=Role.teacher,
)
FILE = Download(path=f"{PATH}/csv", name="class", read=file_of, parameters=(HOMEROOM,))
