"""The next books of each of many students: one read, one pass over all scores, nothing is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from workers.books.answers import ShownBook, read_shown
from workers.books.arrays import Scoring
from workers.books.evidence import Evidence, Witness, evidence_for
from workers.books.rank import rank_books
from workers.books.reasons import Reason, book_ids_in, say
from workers.books.score import ranking
from workers.books.select_books import select_books
from workers.books.situation import read_situation
from workers.books.wanted import MAX_STUDENTS, Wanted
from workers.core.stores import connection


@dataclass(frozen=True)
class NextBook:
    """A book for one student, with why."""

    book: ShownBook
    reasons: Sequence[Reason]


def next_books(
    scoring: Scoring, student_ids: Sequence[str], limit: int
) -> dict[str, list[NextBook]]:
    """Choose the best `limit` books of each student, as a list of their own would begin.

    A student whose own list would have to give something up, as levels or caps, has fewer.

    Raises:
        UnknownKeyError: one of the students is not known.
    """
    found: dict[str, list[NextBook]] = {}
    for start in range(0, len(student_ids), MAX_STUDENTS):
        found |= _next_books(scoring, student_ids[start : start + MAX_STUDENTS], limit)
    return found


def _next_books(
    scoring: Scoring, student_ids: Sequence[str], limit: int
) -> dict[str, list[NextBook]]:
    wanted = Wanted(student_ids=tuple(student_ids), limit=limit)
    with connection() as conn:
        situation = read_situation(conn, scoring, wanted)
        books, catalog = situation.books, situation.books.catalog
        ranked = rank_books(
            books,
            situation.students,
            situation.known,
            wanted,
            situation.weights,
            today=situation.today,
        )
        orders = ranking(ranked.scores, books.popularity)
        chosen: dict[str, list[tuple[str, list[Evidence]]]] = {}
        for place, student_id in enumerate(student_ids):
            allowed = ranked.members[place].allowed
            rows = select_books(orders[place], allowed, catalog, books.vectors, limit=limit).books
            witness = Witness(books, situation.students[place], ranked.scores, place)
            chosen[student_id] = [
                (catalog.book_ids[row], evidence_for(witness, row)) for row in rows
            ]
        every = [pair for pairs in chosen.values() for pair in pairs]
        named = {book_id for _, facts in every for fact in facts for book_id in book_ids_in(fact)}
        shown = read_shown(conn, [*named, *(book_id for book_id, _ in every)])
    titles = {book_id: book.title for book_id, book in shown.items()}
    return {
        student_id: [
            NextBook(shown[book_id], [say(fact, book_id, titles) for fact in facts])
            for book_id, facts in pairs
            # Not those that were deleted since.
            if book_id in shown
        ]
        for student_id, pairs in chosen.items()
    }
