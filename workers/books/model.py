"""The recommendation model: what loans of the most borrowed books say of each other."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.books.book_weights import BookWeights, place_in_catalog
from workers.books.ease import solve_ease
from workers.books.loans import Loans, make_loans

Ints = npt.NDArray[np.int32]

# Books a solve takes at most: memory grows with the square (1.9 GB), time with the cube.
MAX_BOOKS = 20_000


@dataclass(frozen=True)
class Model:
    """EASE of the most borrowed books: row i of `weights` is of catalogue row `rows[i]`."""

    rows: Ints
    weights: BookWeights

    def in_catalog(self, books: int) -> BookWeights:
        """Number the weights as the catalogue does; books that the model leaves out have none."""
        return place_in_catalog(self.weights, self.rows, books)


def solve_model(
    loans: Loans,
    *,
    ridge: float,
    max_books: int = MAX_BOOKS,
    after_step: Callable[[int, int], None] = lambda _done, _steps: None,
) -> Model:
    """Solve EASE for the `max_books` books with most readers; books without any are left out."""
    rows = most_borrowed(loans, max_books)
    place = np.full(loans.shape[1], -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    kept = loans.take(place[loans.books] >= 0)
    narrow = make_loans(
        kept.students, place[kept.books], kept.times, shape=(loans.shape[0], len(rows))
    )
    return Model(rows, solve_ease(narrow.matrix(), ridge=ridge, after_step=after_step))


def most_borrowed(loans: Loans, count: int) -> Ints:
    """Find the rows of the `count` books with most readers, ascending; the lower row if equal."""
    readers = loans.popularity()
    best = np.argsort(-readers, kind="stable")[: min(count, np.count_nonzero(readers))]
    return np.sort(best).astype(np.int32)
