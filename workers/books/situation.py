"""Everything that a list of recommendations follows from, read as of one moment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import psycopg

from workers.books.arrays import Scoring, ScoringArrays
from workers.books.catalog import days_since_1970
from workers.books.exclusions import Known
from workers.books.history import History
from workers.books.query_hits import QueryHits, find_hits
from workers.books.query_vector import QueryVector
from workers.books.reader_loans import ReaderLoans
from workers.books.request_state import ask_for_state, pick_flags, state_of
from workers.books.score import BookArrays, Student, TermWeights
from workers.books.student_facts import (
    StudentFacts,
    ask_for_facts,
    known_of,
    read_profile_vectors,
    student_of,
)
from workers.books.term_weights import default_weights
from workers.books.wanted import Wanted
from workers.books.widening import Degraded, what_is_missing
from workers.core.errors import UnknownKeyError

# Without a student only these terms know anything of a book; in the proportion of the default.
OF_A_BOOK = TermWeights(
    readers=0.6, content=0.4, neighbors=0, trending=0, level=0, staff_pick=0, series=0
)


@dataclass(frozen=True)
class Guest:
    """Somebody who is no student: facts that stand in no table of students.

    `elsewhere` (d,) is the weighted sum of vectors, of the configured model, of what they read and
    the catalogue does not have.
    """

    facts: StudentFacts
    elsewhere: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Situation:
    """Arrays, students, what must not come, weights and day; `gone` are ids deleted meanwhile.

    `hits` say how well books meet a query; `missing` names what had to be done without.
    """

    books: BookArrays
    model_id: int | None
    students: Sequence[Student]
    known: Sequence[Known]
    weights: TermWeights
    weights_version: int
    today: int
    facts: Sequence[StudentFacts] = ()
    hits: QueryHits | None = None
    missing: tuple[Degraded, ...] = ()
    gone: frozenset[str] = frozenset()


def read_situation(
    conn: psycopg.Connection,
    scoring: Scoring,
    wanted: Wanted,
    asked: QueryVector | None = None,
    guest: Guest | None = None,
) -> Situation:
    """Read the situation that a request is answered in, for students, a book, or a guest.

    Args:
        asked: the vector of the request's query, which is not asked for with a connection held;
            None when books are not to be searched.

    Raises:
        UnknownKeyError: a student or the book is not known.
    """
    with conn.pipeline():
        asked_state = ask_for_state(conn)
        asked_facts = ask_for_facts(conn, wanted.student_ids)
    state = state_of(asked_state)
    arrays = scoring.current(state.model_id)
    facts = _known(asked_facts.fetchall(), wanted)
    if wanted.book_id is not None:
        students = [_of_book(arrays, wanted.book_id)]
        excluded = arrays.catalog.rows_of(wanted.exclude_ids)
        hidden = arrays.catalog.rows_of(state.hidden_ids or ())
        known = [Known(hidden=hidden, seen=students[0].read, excluded=excluded)]
    else:
        if guest is not None:
            facts = [guest.facts]
            students = [_of_guest(arrays, guest, state.half_life_loans)]
        else:
            loans = scoring.reader_loans(arrays.catalog, state.half_life_loans)
            students = _students(conn, arrays, facts, state.half_life_loans, loans)
        known = [
            known_of(
                each,
                arrays.catalog,
                wanted.exclude_ids,
                state.hidden_ids or (),
                seen_again=wanted.seen_again,
            )
            for each in facts
        ]
    books = replace(arrays.books, staff_picks=pick_flags(state, arrays.catalog))
    return Situation(
        books=books,
        model_id=arrays.model_id,
        students=students,
        known=known,
        weights=state.terms if facts else OF_A_BOOK,
        weights_version=state.weights_version or 0,
        today=state.day,
        facts=facts,
        hits=None if asked is None else find_hits(conn, arrays.catalog, wanted, asked),
        missing=_missing(books, students, wanted, asked),
    )


def situation_without_postgres(arrays: ScoringArrays, wanted: Wanted) -> Situation:
    """Make a situation of what this process holds.

    Of a student nothing is known then, not even what was read or hidden.

    Raises:
        UnknownKeyError: the book is not known.
    """
    excluded = arrays.catalog.rows_of(wanted.exclude_ids)
    student = Student() if wanted.book_id is None else _of_book(arrays, wanted.book_id)
    unmet = () if wanted.query is None else (Degraded.QUERY_UNMET,)
    return Situation(
        books=arrays.books,
        model_id=arrays.model_id,
        students=[student],
        known=[Known(seen=student.read, excluded=excluded)],
        weights=default_weights() if wanted.book_id is None else OF_A_BOOK,
        weights_version=0,
        today=days_since_1970(datetime.now(UTC).date()),
        missing=(Degraded.NO_DATABASE, *unmet),
    )


def _known(facts: list[StudentFacts], wanted: Wanted) -> list[StudentFacts]:
    known = {each.student_id for each in facts}
    unknown = [student_id for student_id in wanted.student_ids if student_id not in known]
    if unknown:
        raise UnknownKeyError("unknown_student", ", ".join(unknown))
    return facts


def _students(
    conn: psycopg.Connection,
    arrays: ScoringArrays,
    facts: Sequence[StudentFacts],
    half_life: float,
    loans: ReaderLoans,
) -> list[Student]:
    """Lay the facts out; a profile's vector stands in where no loan has one."""
    versions: dict[str, str] = {}
    for each in facts:
        versions |= zip(each.neighbor_ids or (), each.neighbor_versions or (), strict=True)
    histories = loans.find(conn, versions)
    students = [student_of(each, arrays.catalog, half_life, histories) for each in facts]
    projection = arrays.vectors.projection
    matrix = arrays.books.vectors
    if projection is None or matrix is None:
        return students
    bare = [
        each.student_id
        for each, student in zip(facts, students, strict=True)
        if not matrix[student.history.liked.books].any()
    ]
    profiles = read_profile_vectors(conn, bare) if bare else {}
    return [
        replace(student, profile=projection.project(profiles[each.student_id][None])[0])
        if each.student_id in profiles
        else student
        for each, student in zip(facts, students, strict=True)
    ]


def _of_guest(arrays: ScoringArrays, guest: Guest, half_life: float) -> Student:
    """Lay a guest's facts out as those of a student are."""
    student = student_of(guest.facts, arrays.catalog, half_life, {})
    projection = arrays.vectors.projection
    if projection is None or guest.elsewhere is None:
        return student
    length = np.float32(np.linalg.norm(guest.elsewhere))
    return replace(student, elsewhere=projection.project(guest.elsewhere[None])[0] * length)


def _of_book(arrays: ScoringArrays, book_id: str) -> Student:
    """Make a reader of one book, of whom nothing else is known."""
    row = arrays.catalog.rows.get(book_id)
    if row is None:
        raise UnknownKeyError("unknown_book", book_id)
    rows = np.array([row], np.int32)
    return Student(history=History(rows, np.ones(1, np.float32)), read=rows)


def _missing(
    books: BookArrays, students: Sequence[Student], wanted: Wanted, asked: QueryVector | None
) -> tuple[Degraded, ...]:
    """Name what a student's answer does without; of a group what all of its members lack."""
    lacking = [set(what_is_missing(books, student)) for student in students]
    common = set.intersection(*lacking) if lacking else set()
    if wanted.book_id is not None:
        common -= {Degraded.NO_NEIGHBORS}
    if asked is not None and asked.vector is None:
        common.add(Degraded.WORDS_ONLY)
    return tuple(each for each in Degraded if each in common)
