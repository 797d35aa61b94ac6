"""The recommender as it would have answered at a moment: what scoring knows, made from loans.

For evaluating. The arithmetic is the product's own (`score`); only where facts come from differs:
a student's level is the mean of their loans' levels, and unless profiles are given, neighbours are
those whose borrowed books' vectors have the nearest mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.books import terms, trends
from workers.books.book_weights import BookWeights
from workers.books.catalog import Catalog
from workers.books.history import History, grade_loans
from workers.books.loans import Loans
from workers.books.score import BookArrays, Student
from workers.books.terms import Neighbor

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

NEIGHBORS = 15
# Students compared with all others at a time.
BLOCK = 512


@dataclass(frozen=True)
class AsOf:
    """What scoring knows at a moment: arrays of books, and every student by code."""

    books: BookArrays
    students: Sequence[Student]


def histories_of(loans: Loans, half_life: float) -> list[History]:
    """Weigh each student's loans, in the order of their codes."""
    return [
        grade_loans(loans.books[own], loans.times[own], loans.ratings[own], half_life=half_life)
        for own in loans.by_student()
    ]


def library_as_of(
    loans: Loans,
    at: float,
    catalog: Catalog,
    vectors: Floats | None,
    weights: BookWeights | None,
    histories: Sequence[History],
    *,
    grade_rows: Ints | None = None,
    profiles: Floats | None = None,
) -> AsOf:
    """Gather what scoring knows at time `at` (days) from the loans until then.

    `vectors` (n, d) are the books'. `grade_rows` (s,) are rows of `trends`; without them everyone
    is of one grade. `profiles` (s, d') are vectors whose nearest are a student's neighbours.
    """
    if grade_rows is None:
        grade_rows = np.full(loans.shape[0], trends.EVERYONE, np.int32)
    rated = ~np.isnan(loans.ratings)
    totals = np.bincount(loans.books[rated], loans.ratings[rated], loans.shape[1])
    counts = np.bincount(loans.books[rated], minlength=loans.shape[1])
    books = BookArrays(
        catalog,
        weights=weights,
        vectors=vectors,
        trending=trends.trending(
            loans.books, at - loans.times, grade_rows[loans.students], loans.shape[1]
        ),
        rating=terms.bayesian_rating(totals.astype(np.float32), counts.astype(np.float32)),
        popularity=loans.popularity(),
    )
    if profiles is None and vectors is not None:
        profiles = terms.tastes(vectors, histories, [None] * len(histories))
    near = nearest(profiles) if profiles is not None else [[] for _ in histories]
    students = [
        Student(
            history=history,
            read=np.unique(loans.books[own]),
            neighbors=[Neighbor(likeness, histories[other]) for other, likeness in neighbors],
            level=_level(catalog, history),
            grade_row=int(row),
        )
        for history, own, neighbors, row in zip(
            histories, loans.by_student(), near, grade_rows, strict=True
        )
    ]
    return AsOf(books, students)


def nearest(profiles: Floats, count: int = NEIGHBORS) -> list[list[tuple[int, float]]]:
    """Find each student's nearest by cosine, themselves and those that are not alike left out."""
    lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
    units = profiles / np.where(lengths > 0, lengths, 1).astype(np.float32)
    found: list[list[tuple[int, float]]] = []
    for start in range(0, len(units), BLOCK):
        likeness = units[start : start + BLOCK] @ units.T
        own = np.arange(len(likeness))
        likeness[own, start + own] = 0
        kept = min(count, likeness.shape[1])
        best = np.argpartition(-likeness, kept - 1, axis=1)[:, :kept]
        for row, others in enumerate(best):
            alike = [(int(other), float(likeness[row, other])) for other in others]
            found.append([pair for pair in alike if pair[1] > 0])
    return found


def _level(catalog: Catalog, history: History) -> float | None:
    liked = history.liked
    levels = catalog.level[liked.books]
    known = ~np.isnan(levels)
    if not known.any():
        return None
    return float(np.average(levels[known], weights=liked.weights[known]))
