"""Recommend books: facts in one statement, scores of all books, a list, its reasons, its record.

Nothing is cached: a loan or a verdict counts in the very next answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast
from uuid import UUID, uuid4

import psycopg
from psycopg.errors import ForeignKeyViolation
from pydantic import TypeAdapter

from workers.books.answers import ShownBook, read_pages, read_shown, store_answer
from workers.books.arrays import Scoring
from workers.books.evidence import Evidence
from workers.books.items import gather_evidence, ids_in, make_items
from workers.books.query_vector import embed_query
from workers.books.rank import Ranked, rank_books
from workers.books.situation import (
    Guest,
    Situation,
    read_situation,
    situation_without_postgres,
)
from workers.books.wanted import Answer, Wanted
from workers.books.widening import Degraded
from workers.books.wording import Wording, ask_for_words, find_words, with_words
from workers.core.errors import UnknownKeyError
from workers.core.stores import connection

# How often a list is chosen again because a book of it is gone, or out, by the time it is shown.
MAX_LOOKS = 5

ANSWER = TypeAdapter(Answer)


def recommend(scoring: Scoring, wanted: Wanted) -> Answer:
    """Answer a request, and keep the answer.

    Raises:
        UnknownKeyError: a student, the book, or the answer before this page is not known.
        psycopg.OperationalError: Postgres does not answer.
    """
    asked = None if wanted.query is None else embed_query(wanted.query)
    with connection() as conn:
        earlier = [] if wanted.earlier is None else read_pages(conn, wanted.earlier)
        wanted = replace(wanted, exclude_ids=(*wanted.exclude_ids, *earlier))
        situation = read_situation(conn, scoring, wanted, asked)
        ranked, evidence, shown = _look(conn, situation, wanted)
        answer = _answer(situation, wanted, ranked, evidence, shown)
        words = None if wanted.is_group else _find_words(conn, situation, evidence, shown)
        if words is None or not words.missing:
            kept = {} if words is None else words.kept
            answer = replace(answer, items=with_words(answer.items, kept))
            return _store(conn, answer, situation, earlier)
    # No connection is held while the model writes.
    answer = replace(answer, items=with_words(answer.items, ask_for_words(words)))
    with connection() as conn:
        return _store(conn, answer, situation, earlier)


def recommend_to_guest(scoring: Scoring, wanted: Wanted, guest: Guest) -> Answer:
    """Answer somebody who is no student, as a student is answered; nothing of it is kept.

    No chat model is asked for words: whoever has no account has not agreed to that.

    Raises:
        psycopg.OperationalError: Postgres does not answer.
    """
    with connection() as conn:
        situation = read_situation(conn, scoring, wanted, guest=guest)
        ranked, evidence, shown = _look(conn, situation, wanted)
    return _answer(situation, wanted, ranked, evidence, shown)


def look_up(scoring: Scoring, wanted: Wanted) -> Answer:
    """Answer a request for a page that somebody looks at: nothing is kept, no model writes.

    Raises:
        UnknownKeyError: a student or the book is not known.
        psycopg.OperationalError: Postgres does not answer.
    """
    with connection() as conn:
        situation = read_situation(conn, scoring, wanted, None)
        return _answer(situation, wanted, *_look(conn, situation, wanted))


def recommend_without_postgres(scoring: Scoring, wanted: Wanted) -> Answer | None:
    """Answer from what this process holds while Postgres is down.

    A student gets what many borrow, `degraded` says so, and the answer is not kept. None if this
    process holds nothing, and for a next page: what the pages before it showed is not known.

    Raises:
        UnknownKeyError: the book is not known.
    """
    arrays = scoring.known()
    if arrays is None or wanted.earlier is not None:
        return None
    situation = situation_without_postgres(arrays, wanted)
    ranked = _rank(situation, replace(wanted, query=None))
    evidence = gather_evidence(arrays.books, situation.students, ranked, wanted)
    shown = {
        book_id: ShownBook(book_id, *arrays.titles[book_id])
        for book_id in (arrays.catalog.book_ids[row] for row in ranked.selection.books)
    }
    return _answer(situation, wanted, ranked, evidence, shown)


def _rank(situation: Situation, wanted: Wanted) -> Ranked:
    return rank_books(
        situation.books,
        situation.students,
        situation.known,
        wanted,
        situation.weights,
        today=situation.today,
        hits=situation.hits,
    )


def _look(
    conn: psycopg.Connection, situation: Situation, wanted: Wanted
) -> tuple[Ranked, dict[int, list[Evidence]], dict[str, ShownBook]]:
    """Rank, and look at the chosen books as they are stored now; again without those that changed.

    The arrays may be some seconds old: a book that was deleted, or whose last copy went out since,
    is found here.
    """
    catalog = situation.books.catalog
    gone: set[str] = set()
    for _ in range(MAX_LOOKS):
        known = [
            replace(own, deleted=catalog.rows_of({*gone, *situation.gone}))
            for own in situation.known
        ]
        ranked = _rank(replace(situation, known=known), wanted)
        evidence = gather_evidence(situation.books, situation.students, ranked, wanted)
        chosen = [catalog.book_ids[row] for row in ranked.selection.books]
        shown = read_shown(conn, [*chosen, *ids_in(evidence)])
        unfit = {
            book_id
            for book_id in chosen
            if book_id not in shown or (wanted.available and shown[book_id].lacks(wanted.copies))
        }
        if not unfit:
            break
        gone |= unfit
    else:
        # The catalogue changes faster than it can be looked at: show what is there.
        ranked = replace(
            ranked,
            selection=replace(
                ranked.selection,
                books=[row for row in ranked.selection.books if catalog.book_ids[row] not in unfit],
            ),
        )
    return ranked, evidence, shown


def _find_words(
    conn: psycopg.Connection,
    situation: Situation,
    evidence: Mapping[int, Sequence[Evidence]],
    shown: Mapping[str, ShownBook],
) -> Wording | None:
    book_ids = situation.books.catalog.book_ids
    return find_words(
        conn,
        {book_ids[row]: facts for row, facts in evidence.items() if book_ids[row] in shown},
        {book_id: book.title for book_id, book in shown.items()},
    )


def _answer(
    situation: Situation,
    wanted: Wanted,
    ranked: Ranked,
    evidence: Mapping[int, Sequence[Evidence]],
    shown: Mapping[str, ShownBook],
) -> Answer:
    single = len(wanted.student_ids) == 1
    degraded = dict.fromkeys([*situation.missing, *ranked.given_up])
    return Answer(
        recommendation_id=None,
        based_on=_based_on(situation, wanted),
        model_version=situation.model_id,
        weights_version=situation.weights_version,
        fresh=all(facts.fresh is not False for facts in situation.facts),
        last_event=situation.facts[0].last_event if single and situation.facts else None,
        degraded=[str(each) for each in degraded],
        items=make_items(situation.books, ranked, evidence, shown, wanted.student_ids),
        excluded_counts=ranked.exclusions.counts(ranked.selection.capped.values()),
        student_id=wanted.student_ids[0] if single else None,
        student_ids=() if single else wanted.student_ids,
        book_id=wanted.book_id,
    )


def _based_on(situation: Situation, wanted: Wanted) -> str:
    if wanted.book_id is not None:
        return "book"
    if wanted.is_group:
        return "group"
    student = situation.students[0]
    if len(student.history):
        return "loans"
    return "catalogue" if student.level is None else "level"


def _store(
    conn: psycopg.Connection, answer: Answer, situation: Situation, earlier: Sequence[str]
) -> Answer:
    """Give the answer an id, and store it under that."""
    answer = replace(answer, recommendation_id=uuid4())
    more = len(answer.items) and Degraded.TOO_FEW not in answer.degraded
    if more:
        answer = replace(answer, next_cursor=str(answer.recommendation_id))
    student_ids = [facts.student_id for facts in situation.facts]
    try:
        kept = store_answer(
            conn,
            cast(UUID, answer.recommendation_id),
            student_ids=student_ids,
            model_id=answer.model_version,
            book_ids=[item.book_id for item in answer.items],
            earlier_ids=earlier,
            degraded=answer.degraded,
            answer=ANSWER.dump_json(answer).decode(),
        )
    except ForeignKeyViolation:
        kept = False
    if not kept:
        raise UnknownKeyError("unknown_student", ", ".join(student_ids))
    return answer
