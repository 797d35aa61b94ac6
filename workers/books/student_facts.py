"""What recommending reads of students in one statement: loans, verdicts, level, neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.rows import class_row

from workers.books.catalog import Catalog
from workers.books.exclusions import Known
from workers.books.history import DISLIKED, History, grade_loans
from workers.books.score import Student
from workers.books.terms import Neighbor
from workers.books.trends import grade_row
from workers.core.queries import query
from workers.core.settings import settings

READ_FACTS = query("books/student_facts.read_facts")
READ_PROFILE_VECTORS = query("books/student_facts.read_profile_vectors")

# A book that was shown comes again after a day.
SHOWN_S = 86_400.0
# What a verdict of liking counts as.
LIKED_RATING = 5

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class StudentFacts:
    """A student's row of `read_facts`; arrays that belong together have one length or are None.

    `neighbor_versions` are those of the neighbours' own facts, for `ReaderLoans`.
    """

    student_id: str
    grade_level: int | None
    level: float | None
    slope: float | None
    loan_ids: Sequence[str] | None
    loan_days: Sequence[int] | None
    loan_ratings: Sequence[int | None] | None
    verdict_ids: Sequence[str] | None
    verdicts: Sequence[str] | None
    verdict_ages_s: Sequence[float] | None
    neighbor_ids: Sequence[str] | None
    neighbor_sims: Sequence[float] | None
    neighbor_versions: Sequence[str] | None
    fresh: bool | None
    last_event: UUID | None

    def books_with(self, verdict: str, within_s: float | None = None) -> list[str]:
        """List the books with a verdict, given at most `within_s` ago."""
        rows = zip(
            self.verdict_ids or (), self.verdicts or (), self.verdict_ages_s or (), strict=True
        )
        return [
            book_id
            for book_id, given, age_s in rows
            if given == verdict and (within_s is None or age_s < within_s)
        ]

    @property
    def disliked(self) -> list[str]:
        """List the books whose newest verdict of liked and disliked is disliked."""
        liked = self._ages("liked")
        return [
            book_id
            for book_id, age_s in self._ages("disliked").items()
            if age_s <= liked.get(book_id, np.inf)
        ]

    def _ages(self, verdict: str) -> dict[str, float]:
        rows = zip(
            self.verdict_ids or (), self.verdicts or (), self.verdict_ages_s or (), strict=True
        )
        return {book_id: age_s for book_id, given, age_s in rows if given == verdict}


def ask_for_facts(
    conn: psycopg.Connection, student_ids: Sequence[str]
) -> psycopg.Cursor[StudentFacts]:
    """Send the question for the facts of students, in this order; unknown ones are left out."""
    return conn.cursor(row_factory=class_row(StudentFacts)).execute(
        READ_FACTS,
        {
            "student_ids": list(student_ids),
            "neighbors": settings().max_neighbors,
        },
    )


def read_profile_vectors(
    conn: psycopg.Connection, student_ids: Sequence[str]
) -> dict[str, npt.NDArray[np.float32]]:
    """Read profiles' vectors of the current model; students without one are left out."""
    spec = settings().student_embedding
    rows = conn.cursor(binary=True).execute(
        READ_PROFILE_VECTORS,
        {"student_ids": list(student_ids), "model": spec.model, "dimensions": spec.dimensions},
    )
    return {student_id: vector.to_numpy() for student_id, vector in rows}


def known_of(
    facts: StudentFacts,
    catalog: Catalog,
    exclude_ids: Sequence[str],
    hidden_ids: Sequence[str] = (),
    *,
    seen_again: bool,
) -> Known:
    """Gather the rows of books that must not come (again), by why; `hidden_ids` are from all."""
    return Known(
        hidden=catalog.rows_of([*facts.books_with("hidden"), *hidden_ids]),
        disliked=catalog.rows_of([*facts.disliked, *_rated_down(facts)]),
        seen=catalog.rows_of(() if seen_again else facts.loan_ids or ()),
        excluded=catalog.rows_of(exclude_ids),
        shown=catalog.rows_of(facts.books_with("shown", SHOWN_S)),
    )


def student_of(
    facts: StudentFacts,
    catalog: Catalog,
    half_life: float,
    loans: Mapping[str, History],
) -> Student:
    """Lay a student's facts out as scoring wants them; `loans` are those of the neighbours."""
    return Student(
        history=_history(facts, catalog, half_life),
        read=catalog.rows_of(set(facts.loan_ids or ())),
        neighbors=_neighbors(facts, loans),
        level=facts.level,
        slope=facts.slope,
        grade_row=grade_row(facts.grade_level),
    )


def _history(facts: StudentFacts, catalog: Catalog, half_life: float) -> History:
    """Grade the loans; a verdict of liking or dislike on a loan is its rating."""
    ratings = dict.fromkeys(facts.books_with("liked"), LIKED_RATING)
    ratings |= dict.fromkeys(facts.disliked, DISLIKED)
    loan_ids = facts.loan_ids or ()
    return grade_loans(
        _rows(catalog, loan_ids),
        list(facts.loan_days or ()),
        [
            np.nan if (given := ratings.get(book_id, rating)) is None else given
            for book_id, rating in zip(loan_ids, facts.loan_ratings or (), strict=True)
        ],
        half_life=half_life,
    )


def _neighbors(facts: StudentFacts, loans: Mapping[str, History]) -> list[Neighbor]:
    """Name the neighbours who have borrowed something."""
    return [
        Neighbor(float(sim), loans[other])
        for other, sim in zip(facts.neighbor_ids or (), facts.neighbor_sims or (), strict=True)
        if other in loans and len(loans[other])
    ]


def _rated_down(facts: StudentFacts) -> list[str]:
    """List the loans whose newest rating is 1 or 2, unless a verdict of liking is there."""
    liked = set(facts.books_with("liked"))
    newest: dict[str, int] = {}
    for book_id, rating in zip(facts.loan_ids or (), facts.loan_ratings or (), strict=True):
        if rating is not None:
            newest[book_id] = rating
    return [book_id for book_id, rating in newest.items() if rating <= 2 and book_id not in liked]


def _rows(catalog: Catalog, book_ids: Sequence[str]) -> Ints:
    """Find the row of each book, -1 for one that the catalogue does not have."""
    rows: Mapping[str, int] = catalog.rows
    return np.array([rows.get(book_id, -1) for book_id in book_ids], np.int32)
