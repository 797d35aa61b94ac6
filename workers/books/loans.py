"""Loans as arrays, and what is left of them when later ones are held out."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from workers.books.catalog import Catalog

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Loans:
    """m loans in any order: codes of students from 0, rows of books, times in days.

    `shape` is the number of students and of books there are, also of such without loans. `ratings`
    (m,) are 1 to 5, NaN without one. Loans of the same time are in the order they happened.
    """

    students: Ints
    books: Ints
    times: Doubles
    ratings: Floats
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.students)

    def take(self, which: Flags) -> "Loans":
        """Keep some of the loans, and the number of students and books."""
        return Loans(
            self.students[which],
            self.books[which],
            self.times[which],
            self.ratings[which],
            self.shape,
        )

    def matrix(self) -> sparse.csr_array:
        """Lay the distinct loans out as students by books, ones, float32."""
        pairs = np.unique(self.students.astype(np.int64) * self.shape[1] + self.books)
        ones = np.ones(len(pairs), np.float32)
        return sparse.csr_array((ones, np.divmod(pairs, self.shape[1])), shape=self.shape)

    def popularity(self) -> Floats:
        """Count the readers of each book (n,)."""
        counts: Floats = np.diff(self.matrix().tocsc().indptr).astype(np.float32)
        return counts

    def by_student(self) -> list[Ints]:
        """Name each student's loans, by place in the arrays, in the order they happened."""
        order = np.lexsort((np.arange(len(self)), self.times, self.students))
        ends = np.searchsorted(self.students[order], np.arange(self.shape[0] + 1))
        return [order[start:stop].astype(np.int32) for start, stop in pairwise(ends)]


def make_loans(
    students: npt.ArrayLike,
    books: npt.ArrayLike,
    times: npt.ArrayLike,
    ratings: npt.ArrayLike | None = None,
    *,
    shape: tuple[int, int],
) -> Loans:
    """Make loans of anything array-like; without ratings nobody rated anything."""
    days = np.asarray(times, np.float64)
    return Loans(
        np.asarray(students, np.int32),
        np.asarray(books, np.int32),
        days,
        np.full(len(days), np.nan, np.float32)
        if ratings is None
        else np.asarray(ratings, np.float32),
        shape,
    )


def number_loans(
    loans: Iterable[tuple[str, str, float, float | None]], catalog: Catalog
) -> tuple[Loans, tuple[str, ...]]:
    """Make loans of (student id, book id, day, rating), and name the students by code.

    Loans of books that the catalogue does not know are left out; codes are ascending by id.
    """
    known = [loan for loan in loans if loan[1] in catalog.rows]
    names = tuple(sorted({student for student, *_ in known}))
    code = {name: place for place, name in enumerate(names)}
    numbered = make_loans(
        [code[student] for student, *_ in known],
        [catalog.rows[book] for _, book, *_ in known],
        [day for *_, day, _ in known],
        [np.nan if rating is None else rating for *_, rating in known],
        shape=(len(names), len(catalog)),
    )
    return numbered, names


@dataclass(frozen=True)
class Split:
    """Loans before and after: `known` may be learned from, `relevant` is to be foreseen.

    `relevant` (s, n) holds ones for books that a reader borrowed for the first time afterwards and
    that somebody had borrowed before; `unheard` the same for books that nobody had. `readers` are
    the students to judge by, who have loans before and relevant ones after; `newcomers` have none
    before. `at` is the time of the answer, in days.
    """

    known: Loans
    relevant: sparse.csr_array
    unheard: sparse.csr_array
    readers: Ints
    newcomers: Ints
    at: float


def split_in_time(loans: Loans, share: float = 0.1) -> Split:
    """Hold out the newest `share` of all loans, everyone's from one moment on."""
    at = float(np.quantile(loans.times, 1 - share)) if len(loans) else 0.0
    return _split(loans, loans.times > at, at)


def hold_out_newest(loans: Loans, count: int = 10, at_least: int = 20) -> Split:
    """Hold out each student's newest `count` loans, of those who have more than `at_least`.

    Not a moment in time: what others borrowed later is known. For data sets that are judged so.
    """
    held = np.zeros(len(loans), np.bool_)
    for own in loans.by_student():
        if len(own) > at_least:
            held[own[len(own) - count :]] = True
    return _split(loans, held, float(loans.times[~held].max(initial=0)))


def _split(loans: Loans, held: Flags, at: float) -> Split:
    known, later = loans.take(~held), loans.take(held)
    before = known.matrix()
    unread = later.matrix()
    unread = sparse.csr_array(unread - unread.multiply(before))
    unread.eliminate_zeros()
    heard = (known.popularity() > 0).astype(np.float32)
    relevant = sparse.csr_array(unread.multiply(heard[None, :]))
    unheard = sparse.csr_array(unread - relevant)
    relevant.eliminate_zeros()
    unheard.eliminate_zeros()
    had, has = np.diff(before.indptr) > 0, np.diff(relevant.indptr) > 0
    return Split(
        known,
        relevant,
        unheard,
        np.flatnonzero(had & has).astype(np.int32),
        np.flatnonzero(~had & has).astype(np.int32),
        at,
    )
