"""The page of the figures: loans, the catalogue's use, recommendations, who reads, what lacks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from routes.console.pages import Page
from routes.library.downloads import Download, Rows
from routes.library.plots import Bars, pair_bars, plot_bars
from routes.library.words import day, percent
from workers.books.recommendation_weeks import CountedWeek, list_weeks
from workers.core.api_keys import Role
from workers.library.figures import (
    CatalogueUse,
    QuietCounts,
    list_books_by_use,
    list_genres,
    list_quiet,
    loans_by_week,
    read_figures,
    too_few_books,
)

SHOWN_WAITING = 12
SHOWN_GENRES = 12
SHOWN_WEEKS = 12
FILE_WEEKS = 520


@dataclass(frozen=True)
class Share:
    """A part of a whole with its name, as a labelled bar."""

    name: str
    part: int
    whole: int


@dataclass(frozen=True)
class Taken:
    """What became of the recommendations of weeks: of how many given how many were borrowed."""

    given: int
    borrowed: int
    popular: int

    @property
    def share(self) -> float:
        """The share of what was recommended that was borrowed within a fortnight."""
        return self.borrowed / self.given

    @property
    def popular_share(self) -> float:
        """The share that a list of the most borrowed books would have had."""
        return self.popular / self.given


def figures() -> Mapping[str, Any]:
    """Show the figures of the whole library."""
    found = read_figures(SHOWN_WAITING)
    counted = list_weeks(SHOWN_WEEKS)
    loans = sum(week.loans for week in found.weeks)
    return {
        "loans": loans,
        "weekly": _plot_loans([(week.week, week.loans) for week in found.weeks]) if loans else None,
        "weeks": found.weeks,
        "catalogue": found.catalogue,
        "used": _used(found.catalogue),
        "counted": counted,
        "taken": _taken(counted),
        "paired": _plot_taken(counted),
        "quiet": found.quiet,
        "quiet_shares": _quiet(found.quiet),
        "waiting": found.waiting,
        "genres": found.genres,
        "scarce": too_few_books(found.genres)[:SHOWN_GENRES],
    }


def _plot_loans(weeks: Sequence[tuple[date, int]]) -> Bars:
    return plot_bars(
        [(week, count, f"week of {day(week)}: {count:,} loans") for week, count in weeks]
    )


def _plot_taken(weeks: Sequence[CountedWeek]) -> Bars | None:
    """Draw for each week what was taken beside what the most borrowed books would have got."""
    if not any(week.borrowed or week.popular_borrowed for week in weeks):
        return None
    return pair_bars(
        [
            (
                week.week,
                week.borrowed / week.given,
                week.popular_borrowed / week.given,
                f"week of {day(week.week)}: {percent(week.borrowed / week.given)} of the "
                f"recommended, {percent(week.popular_borrowed / week.given)} of the most borrowed",
            )
            for week in weeks
        ]
    )


def _taken(weeks: Sequence[CountedWeek]) -> Taken | None:
    """Add up the weeks that are over; None without any."""
    over = [week for week in weeks if week.is_over]
    if not over:
        return None
    return Taken(
        sum(week.given for week in over),
        sum(week.borrowed for week in over),
        sum(week.popular_borrowed for week in over),
    )


def _used(catalogue: CatalogueUse) -> list[Share]:
    return [
        Share("in the last 30 days", catalogue.in_30_days, catalogue.books),
        Share("in the last 90 days", catalogue.in_90_days, catalogue.books),
        Share("in the last year", catalogue.in_365_days, catalogue.books),
        Share("ever", catalogue.ever, catalogue.books),
    ]


def _quiet(quiet: QuietCounts) -> list[Share]:
    return [
        Share("nothing in 30 days", quiet.none_in_30_days, quiet.children),
        Share("nothing in 90 days", quiet.none_in_90_days, quiet.children),
        Share("nothing ever", quiet.never, quiet.children),
    ]


def loans_file() -> Rows:
    """Write the weeks of a year with their loans."""
    yield "week", "loans", "children"
    for week in loans_by_week():
        yield week.week, week.loans, week.children


def catalogue_file() -> Rows:
    """Write all books with their last loan, those not borrowed for longest first."""
    yield "book_id", "title", "author", "last_loan", "loans_in_365_days"
    for book in list_books_by_use():
        yield book.book_id, book.title, book.author, book.last_loan, book.loans_in_365_days


def recommendations_file() -> Rows:
    """Write all weeks that were counted, with what became of their recommendations."""
    yield "week", "children", "recommended", "borrowed", "most_borrowed_would_have", "is_over"
    for week in list_weeks(FILE_WEEKS):
        yield (
            *(week.week, week.students, week.given, week.borrowed, week.popular_borrowed),
            str(week.is_over).lower(),
        )


def children_file() -> Rows:
    """Write all children who borrowed nothing for ninety days."""
    yield "student_id", "name", "grade", "homeroom", "last_loan"
    for child in list_quiet():
        yield (
            *(child.student_id, child.display_name, child.grade_level, child.homeroom_teacher),
            child.last_loan,
        )


def genres_file() -> Rows:
    """Write all genres with books, copies and loans."""
    yield "genre", "books", "loans_in_90_days", "loans_per_book", "copies", "copies_available"
    for genre in list_genres():
        yield (
            *(genre.genre, genre.books, genre.loans, round(genre.loans_per_book, 2)),
            *(genre.copies, genre.available),
        )


def _file(name: str, read: Callable[[], Rows]) -> Download:
    return Download(path=f"{PATH}/{name}/csv", name=name, read=read, role=Role.librarian)


PATH = "/library/figures"
PAGE = Page(
    path=PATH,
    template="library/figures.html",
    title="Figures",
    read=figures,
    shows="Loans by week, use of books, recommendations taken, who reads nothing, scarcity.",
    role=Role.librarian,
    menu="Figures",
)
FILES = (
    _file("loans", loans_file),
    _file("catalogue", catalogue_file),
    _file("recommendations", recommendations_file),
    _file("children", children_file),
    _file("genres", genres_file),
)
