"""Never a blank answer: what is given up, in which order, when too few books are left.

Only what the house chose itself is given up, and that all books meet a query, of which those that
do still lead. What a request's filter asked for, what a student has read, hidden or disliked, and
what is deleted stays out, whatever the answer looks like.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from workers.books.diversity import DEFAULT_CAPS, Caps
from workers.books.exclusions import BookFilter
from workers.books.score import BookArrays, Student

# Grades that the window of levels grows by, at each end, before it is given up.
WIDER = 1.0


class Degraded(StrEnum):
    """What an answer did without, as the field `degraded` names it."""

    NO_DATABASE = "no_database"
    NO_LOANS = "no_loans"
    NO_MODEL = "no_model"
    NO_VECTORS = "no_vectors"
    NO_NEIGHBORS = "no_neighbors"
    WORDS_ONLY = "words_only"
    SHOWN_AGAIN = "shown_again"
    LEVELS_WIDER = "levels_wider"
    LEVELS_ANY = "levels_any"
    CAPS_LIFTED = "caps_lifted"
    QUERY_UNMET = "query_unmet"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class Wish:
    """What the next try asks for.

    A filter, caps, whether books shown lately may come again, and whether only what meets the
    request's query may come.
    """

    filter: BookFilter
    caps: Caps = DEFAULT_CAPS
    shown_again: bool = False
    queried: bool = False


@dataclass(frozen=True)
class Wider:
    """The next try, and what it has given up since the last one."""

    wish: Wish
    gave_up: Degraded


def widen(wish: Wish, given_up: frozenset[Degraded], found: int, limit: int) -> Wider | None:
    """Decide what to give up after a try that found `found` of `limit` books.

    None when there are enough, and when there is nothing left to give up. First books shown lately
    come again, then the levels grow by a grade at each end, then any level fits, then one author or
    series may fill the list, and last comes what does not meet the query.
    """
    return None if found >= limit else next(_steps(wish, given_up), None)


def _steps(wish: Wish, given_up: frozenset[Degraded]) -> Iterator[Wider]:
    if Degraded.SHOWN_AGAIN not in given_up and not wish.shown_again:
        yield Wider(replace(wish, shown_again=True), Degraded.SHOWN_AGAIN)
    levels = wish.filter.levels
    if levels is not None and not wish.filter.levels_asked:
        if Degraded.LEVELS_WIDER not in given_up:
            wider = replace(wish.filter, levels=(levels[0] - WIDER, levels[1] + WIDER))
            yield Wider(replace(wish, filter=wider), Degraded.LEVELS_WIDER)
        any_level = replace(wish.filter, levels=None)
        yield Wider(replace(wish, filter=any_level), Degraded.LEVELS_ANY)
    if wish.caps != Caps(None, None):
        yield Wider(replace(wish, caps=Caps(None, None)), Degraded.CAPS_LIFTED)
    if wish.queried:
        yield Wider(replace(wish, queried=False), Degraded.QUERY_UNMET)


def what_is_missing(books: BookArrays, student: Student) -> list[Degraded]:
    """Name what scoring had to do without, of the house's arrays and of a student's facts."""
    missing = (
        (Degraded.NO_LOANS, not len(student.history)),
        (Degraded.NO_MODEL, books.weights is None),
        (Degraded.NO_VECTORS, books.vectors is None),
        (Degraded.NO_NEIGHBORS, not student.neighbors),
    )
    return [what for what, is_missing in missing if is_missing]
