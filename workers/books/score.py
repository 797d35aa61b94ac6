"""Score all books for one student or a class, at request time: the weighted sum of the terms.

Nothing here is stored, so a loan counts in the next answer. One student among 10,000 books takes
fractions of a millisecond, most of it the product with the books' vectors.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import numpy.typing as npt

from workers.books import terms
from workers.books.book_weights import BookWeights
from workers.books.catalog import Catalog
from workers.books.history import NO_HISTORY, History
from workers.books.terms import Neighbor

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

# Beside the score, so that books of the same score come in the order of their popularity. Smaller
# than any part that is shown with four digits.
POPULARITY_NUDGE = 1e-5


@dataclass(frozen=True)
class TermWeights:
    """What each term weighs in the blend: 0 and more, of any sum.

    The first four were chosen on an earlier window of a university's loans; see `tuning`.
    """

    readers: float = 0.3
    content: float = 0.4
    neighbors: float = 0.2
    trending: float = 0.1
    level: float = 0.05
    rating: float = 0.0
    staff_pick: float = 0.05
    series: float = 0.1

    def __post_init__(self) -> None:
        for name, weight in asdict(self).items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"the weight of {name} is {weight}, not a number of 0 or more")


DEFAULT_WEIGHTS = TermWeights()
TERMS = tuple(each.name for each in fields(TermWeights))


@dataclass(frozen=True)
class BookArrays:
    """What scoring knows of all n books of the catalogue; what is None adds nothing.

    `vectors` (n, d) float32 are unit rows, zeros for a book without one. `trending` (16, n) and
    `staff_picks` (16, n) have a row per grade from -1 to 13 and one for a student whose grade is
    unknown (`trends.grade_row`). `rating` (n,) is in [0, 1], `popularity` (n,) counts readers.
    """

    catalog: Catalog
    weights: BookWeights | None = None
    vectors: Floats | None = None
    trending: Floats | None = None
    staff_picks: Flags | None = None
    rating: Floats | None = None
    popularity: Floats | None = None


@dataclass(frozen=True)
class Student:
    """What scoring knows of a student; `level` in grades, `slope` in grades per 30 days.

    `read` are the rows of all books ever borrowed, `profile` (d,) is the vector of the profile in
    the space of the books' vectors, `elsewhere` (d,) the weighted sum of vectors of what was read
    and is not in the catalogue, `grade_row` a row of `BookArrays.trending`.
    """

    history: History = NO_HISTORY
    read: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    neighbors: Sequence[Neighbor] = ()
    profile: Floats | None = None
    elsewhere: Floats | None = None
    level: float | None = None
    slope: float | None = None
    grade_row: int = -1


@dataclass(frozen=True)
class Scores:
    """Scores of all books for s students: `totals` (s, n), 0 where a book is no candidate.

    `terms` by name are (s, n) in [0, 1]; one that weighs nothing or could not be computed is
    missing. `volumes` name, for each student, the volume read before each next in a series.
    """

    totals: Floats
    terms: Mapping[str, Floats]
    weights: TermWeights
    candidates: Flags
    volumes: Sequence[Mapping[int, int]]

    def parts(self, student: int, book: int) -> dict[str, float]:
        """Split a score into what each term added; the score that is shown is their sum."""
        return {
            name: getattr(self.weights, name) * float(self.terms[name][student, book])
            if name in self.terms
            else 0.0
            for name in TERMS
        }


def score_books(
    books: BookArrays,
    students: Sequence[Student],
    candidates: Flags,
    weights: TermWeights = DEFAULT_WEIGHTS,
) -> Scores:
    """Score every book for each student.

    `candidates` (s, n) says which books may be shown to whom at all (`Exclusions.unread`); the best
    of them is what a student's terms are divided by, so that a filter does not change a score.
    """
    found, volumes = _terms(books, students, candidates, weights)
    totals = np.zeros(candidates.shape, np.float32)
    for name, values in found.items():
        totals += values * np.float32(getattr(weights, name))
    return Scores(totals, found, weights, candidates, volumes)


def ranking(scores: Scores, popularity: Floats | None) -> Floats:
    """Return what to sort by (s, n): the scores, and popularity where they are the same."""
    if popularity is None or not popularity.any():
        return scores.totals
    return scores.totals + popularity * np.float32(POPULARITY_NUDGE / popularity.max())


def _terms(
    books: BookArrays, students: Sequence[Student], candidates: Flags, weights: TermWeights
) -> tuple[dict[str, Floats], list[dict[int, int]]]:
    found: dict[str, Floats] = {}
    kept = candidates.astype(np.float32)
    histories = [student.history for student in students]
    rows = [student.grade_row for student in students]
    volumes: list[dict[int, int]] = [{} for _ in students]
    if weights.readers and books.weights is not None:
        found["readers"] = terms.share_of_best(terms.readers(books.weights, histories), kept)
    if weights.content and books.vectors is not None:
        tastes = terms.tastes(
            books.vectors,
            histories,
            [student.profile for student in students],
            [student.elsewhere for student in students],
        )
        found["content"] = terms.share_of_best(terms.content(books.vectors, tastes), kept)
    if weights.neighbors and any(student.neighbors for student in students):
        borrowed = terms.neighbors([student.neighbors for student in students], len(books.catalog))
        found["neighbors"] = terms.share_of_best(borrowed, kept)
    if weights.trending and books.trending is not None:
        found["trending"] = terms.share_of_best(books.trending[rows], kept)
    if weights.level:
        found["level"] = kept * terms.level(
            books.catalog.level,
            np.array([_or_nan(student.level) for student in students], np.float32),
            np.array([_or_nan(student.slope) for student in students], np.float32),
        )
    if weights.rating and books.rating is not None:
        found["rating"] = kept * books.rating
    if weights.staff_pick and books.staff_picks is not None:
        found["staff_pick"] = kept * books.staff_picks[rows]
    if weights.series:
        marks, volumes = terms.next_in_series(books.catalog, [student.read for student in students])
        found["series"] = kept * marks
    return found, volumes


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
