"""Why a book is in a student's list, where it stands, or which rule keeps it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workers.books.answers import read_shown
from workers.books.arrays import Scoring
from workers.books.evidence import Witness, evidence_for
from workers.books.exclusions import Rule
from workers.books.rank import rank_books
from workers.books.reasons import Reason, book_ids_in, say
from workers.books.situation import read_situation
from workers.books.wanted import Wanted
from workers.core.errors import UnknownKeyError
from workers.core.stores import connection


@dataclass(frozen=True)
class Explanation:
    """Where a book stands for a student.

    `rule` names what keeps it out, None when nothing does; `rank` is its place among all books that
    may be shown, from 1; `listed` whether a list as long as the request's has it. Parts sum
    to the score.
    """

    student_id: str
    book_id: str
    rule: Rule | None
    rank: int | None
    of: int
    listed: bool
    score: float
    parts: Mapping[str, float]
    reasons: Sequence[Reason]


def explain(scoring: Scoring, wanted: Wanted, book_id: str) -> Explanation:
    """Explain a book for the student of a request, in the situation of this moment.

    Raises:
        UnknownKeyError: the student or the book is not known.
    """
    with connection() as conn:
        situation = read_situation(conn, scoring, wanted)
        row = situation.books.catalog.rows.get(book_id)
        shown = read_shown(conn, [book_id])
        if row is None or book_id not in shown:
            raise UnknownKeyError("unknown_book", book_id)
        ranked = rank_books(
            situation.books,
            situation.students,
            situation.known,
            wanted,
            situation.weights,
            today=situation.today,
        )
        witness = Witness(situation.books, situation.students[0], ranked.scores, 0)
        facts = evidence_for(witness, row)
        named = [other for fact in facts for other in book_ids_in(fact)]
        titles = {each.book_id: each.title for each in read_shown(conn, named).values()}
    rule = ranked.exclusions.rule_of(row) or ranked.selection.capped.get(row)
    if rule is None and shown[book_id].copies_available == 0:
        rule = Rule.OUT
    allowed = ranked.exclusions.allowed
    parts = ranked.parts(row)
    return Explanation(
        student_id=wanted.student_ids[0],
        book_id=book_id,
        rule=rule,
        rank=int(np.count_nonzero(ranked.order[allowed] > ranked.order[row])) + 1
        if allowed[row]
        else None,
        of=int(np.count_nonzero(allowed)),
        listed=row in ranked.selection.books,
        score=sum(parts.values()),
        parts=parts,
        reasons=[say(fact, book_id, titles) for fact in facts],
    )
