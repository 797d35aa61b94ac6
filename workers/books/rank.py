"""From arrays and facts to a list: exclusions, scores, choice, wider and wider until it is full."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from workers.books.diversity import DEFAULT_CAPS
from workers.books.exclusions import (
    LEVELS_ABOVE,
    LEVELS_BELOW,
    BookFilter,
    Exclusions,
    Known,
    exclude,
)
from workers.books.groups import Group, blend_group, group_parts
from workers.books.query_hits import QueryHits
from workers.books.score import BookArrays, Scores, Student, TermWeights, ranking, score_books
from workers.books.select_books import Selection, fit_of_arrivals, select_books
from workers.books.wanted import Wanted
from workers.books.widening import Degraded, Wish, widen

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

# What a full match of the words or the meaning asked for adds to a score; as much as the other
# terms together, so that a query leads and taste decides among what it finds.
QUERY_WEIGHT = 1.0


@dataclass(frozen=True)
class Ranked:
    """A list and how it came about.

    `exclusions` are the student's own, or the group's; `order` (n,) is what books were sorted by;
    `hits` say how well a query was met, None without one.
    """

    scores: Scores
    members: Sequence[Exclusions]
    exclusions: Exclusions
    group: Group | None
    order: Floats
    selection: Selection
    given_up: tuple[Degraded, ...]
    hits: QueryHits | None = None

    def parts(self, book: int) -> dict[str, float]:
        """Split a book's score into what each term added; the score shown is their sum."""
        parts = (
            self.scores.parts(0, book)
            if self.group is None
            else group_parts(self.scores, self.group, book)
        )
        if self.hits is None:
            return parts
        return {**parts, "query": QUERY_WEIGHT * float(self.hits.relevance[book])}

    def best_member(self, book: int) -> int:
        """Find the member whose score for a book is the highest: reasons are taken from there."""
        if self.group is None:
            return 0
        totals = np.where(self.group.allowed[:, book], self.scores.totals[:, book], -1)
        return int(totals.argmax())


def rank_books(
    books: BookArrays,
    students: Sequence[Student],
    known: Sequence[Known],
    wanted: Wanted,
    weights: TermWeights,
    *,
    today: int,
    hits: QueryHits | None = None,
) -> Ranked:
    """Rank all books for some students and choose a list, giving up what may be given up.

    `known` says of each student what must not come; `today` is in days since 1970.
    """
    wish = _first_wish(students, wanted)
    members = _exclude(books, students, known, wish)
    # What may never be shown is the same in each try, and so are the scores.
    scores = score_books(books, students, np.stack([member.unread for member in members]), weights)
    library = _Library(books, scores, wanted, _arrivals(books, scores, wanted, today), hits)
    given_up: tuple[Degraded, ...] = ()
    while True:
        ranked = _choose(library, members, wish)
        found = len(ranked.selection.books)
        wider = widen(wish, frozenset(given_up), found, wanted.limit)
        if wider is None:
            break
        wish = wider.wish
        given_up = (*given_up, wider.gave_up)
        members = _exclude(books, students, known, wish)
    # What was given up in vain is not said: the answer is the same without it.
    too_few = (Degraded.TOO_FEW,) if found < wanted.limit else ()
    return replace(ranked, given_up=(*given_up, *too_few))


@dataclass(frozen=True)
class _Library:
    """What all tries choose from."""

    books: BookArrays
    scores: Scores
    wanted: Wanted
    arrival_fit: Floats | None
    hits: QueryHits | None


def _first_wish(students: Sequence[Student], wanted: Wanted) -> Wish:
    """Ask for what the request and the house want; levels are offsets unless they were asked."""
    graded = wanted.book_id is None and any(student.level is not None for student in students)
    return Wish(
        BookFilter(
            levels=wanted.levels or ((-LEVELS_BELOW, LEVELS_ABOVE) if graded else None),
            levels_asked=wanted.levels is not None,
            genres=wanted.genres,
            language=wanted.language,
            available=wanted.available,
            copies=wanted.copies,
        ),
        DEFAULT_CAPS,
        shown_again=wanted.shown_again,
        queried=wanted.query is not None,
    )


def _exclude(
    books: BookArrays, students: Sequence[Student], known: Sequence[Known], wish: Wish
) -> list[Exclusions]:
    return [
        exclude(
            books.catalog,
            replace(own, shown=_NONE) if wish.shown_again else own,
            _filter_for(student, wish.filter),
        )
        for student, own in zip(students, known, strict=True)
    ]


def _choose(library: _Library, members: Sequence[Exclusions], wish: Wish) -> Ranked:
    books, scores, wanted, hits = library.books, library.scores, library.wanted, library.hits
    order = ranking(scores, books.popularity)
    group = None
    if len(members) > 1:
        group = blend_group(order, members)
        of_all, exclusions = group.ranking, group.exclusions
    else:
        of_all, exclusions = order[0], members[0]
    allowed = exclusions.allowed
    if hits is not None:
        of_all = of_all + hits.relevance * np.float32(QUERY_WEIGHT)
        if wish.queried:
            allowed = allowed & (hits.relevance > 0)
    selection = select_books(
        of_all,
        allowed,
        books.catalog,
        books.vectors,
        limit=wanted.limit,
        arrival_fit=library.arrival_fit,
        diversity=wanted.diversity,
        caps=wish.caps,
    )
    return Ranked(scores, members, exclusions, group, of_all, selection, (), hits)


def _filter_for(student: Student, wanted: BookFilter) -> BookFilter:
    """Lay the window of levels around a student's own, where the request did not name one."""
    if wanted.levels is None or wanted.levels_asked:
        return wanted
    if student.level is None:
        return replace(wanted, levels=None)
    below, above = wanted.levels
    return replace(wanted, levels=(student.level + below, student.level + above))


def _arrivals(books: BookArrays, scores: Scores, wanted: Wanted, today: int) -> Floats | None:
    """Rate new arrivals by how they fit; none where a request asks for something particular."""
    if wanted.query is not None or wanted.book_id is not None:
        return None
    content, level = (scores.terms.get(name) for name in ("content", "level"))
    return fit_of_arrivals(
        books.catalog,
        None if content is None else content.mean(axis=0),
        None if level is None else level.mean(axis=0),
        today,
    )


_NONE: Ints = np.empty(0, np.int32)
