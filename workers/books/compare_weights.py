"""Lists of some students as they are, and as they would be were terms weighed otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.books.answers import ShownBook, read_shown
from workers.books.arrays import Scoring
from workers.books.rank import rank_books
from workers.books.score import TermWeights
from workers.books.situation import Situation, read_situation
from workers.books.wanted import Wanted
from workers.core.stores import connection


@dataclass(frozen=True)
class ComparedLists:
    """A student's list with the weights in force, and with others; both the best first."""

    student_id: str
    now: Sequence[ShownBook]
    then: Sequence[ShownBook]

    def moved(self, book: ShownBook) -> int | None:
        """Count the places that a book of `then` rises; None for one that was not on the list."""
        before = [each.book_id for each in self.now]
        if book.book_id not in before:
            return None
        after = [each.book_id for each in self.then]
        return before.index(book.book_id) - after.index(book.book_id)

    @property
    def left(self) -> set[str]:
        """The ids of the books that would no longer be on the list."""
        return {book.book_id for book in self.now} - {book.book_id for book in self.then}


def compare_weights(
    scoring: Scoring, student_ids: Sequence[str], weights: TermWeights, limit: int
) -> list[ComparedLists]:
    """Choose `limit` books for each student twice, as of one moment; nothing is kept.

    Raises:
        UnknownKeyError: one of the students is not known.
    """
    if not student_ids:
        return []
    with connection() as conn:
        situation = read_situation(conn, scoring, Wanted(student_ids=tuple(student_ids)))
        places = range(len(student_ids))
        now = [_choose(situation, place, situation.weights, limit) for place in places]
        then = now
        if weights != situation.weights:
            then = [_choose(situation, place, weights, limit) for place in places]
        shown = read_shown(conn, [book for some in (*now, *then) for book in some])
    return [
        ComparedLists(student_id, _still_there(before, shown), _still_there(after, shown))
        for student_id, before, after in zip(student_ids, now, then, strict=True)
    ]


def _still_there(book_ids: Sequence[str], shown: Mapping[str, ShownBook]) -> list[ShownBook]:
    return [shown[book_id] for book_id in book_ids if book_id in shown]


def _choose(situation: Situation, place: int, weights: TermWeights, limit: int) -> list[str]:
    """Choose as the student's own list would be chosen, and name the books."""
    ranked = rank_books(
        situation.books,
        [situation.students[place]],
        [situation.known[place]],
        Wanted(student_ids=(situation.facts[place].student_id,), limit=limit),
        weights,
        today=situation.today,
    )
    return [situation.books.catalog.book_ids[row] for row in ranked.selection.books]
