"""What a recommendation has to beat: popular books, and methods that people would use otherwise.

Each is fitted to loans and returns scores (s, n) of all books for students named by their codes.
"""

import importlib.util
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from workers.books import terms, trends
from workers.books.book_weights import BookWeights
from workers.books.ease import KEPT_WEIGHTS
from workers.books.history import History
from workers.books.loans import Loans

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

Scorer = Callable[[Ints], Floats]


def popular(loans: Loans) -> Scorer:
    """Recommend what most readers borrowed, to all the same."""
    return _to_all(loans.popularity())


def recently_popular(loans: Loans, at: float) -> Scorer:
    """Recommend what was borrowed in the last 30 days before `at`, with a half-life of 30 days."""
    everyone = np.full(len(loans), trends.EVERYONE, np.int32)
    rows = trends.trending(loans.books, at - loans.times, everyone, loans.shape[1])
    return _to_all(rows[trends.EVERYONE])


def item_knn(loans: Loans, histories: Sequence[History]) -> Scorer:
    """Add up the cosines of the 100 nearest books of each book in a student's history."""
    matrix = loans.matrix()
    by_book = sparse.csr_array(matrix.T)
    lengths = np.sqrt(np.diff(by_book.indptr))
    books = np.zeros((matrix.shape[1], KEPT_WEIGHTS), np.int32)
    values = np.zeros(books.shape, np.float32)
    for row in range(matrix.shape[1]):
        near = sparse.csr_array(by_book[[row]] @ matrix)
        cosines = near.data / (lengths[row] * lengths[near.indices])
        cosines[near.indices == row] = 0
        best = np.argsort(-cosines, kind="stable")[:KEPT_WEIGHTS]
        books[row, : len(best)] = near.indices[best]
        values[row, : len(best)] = cosines[best]
    return ease_alone(BookWeights(books, values), histories)


def ease_alone(weights: BookWeights, histories: Sequence[History]) -> Scorer:
    """Rank by EASE alone, with the same decay of loans as in the blend."""
    return lambda students: terms.readers(weights, [histories[student] for student in students])


def has_ials() -> bool:
    """Say whether `implicit`, a development dependency, is installed."""
    return importlib.util.find_spec("implicit") is not None


def ials(loans: Loans, factors: int, regularization: float, alpha: float) -> Scorer:
    """Rank by implicit alternating least squares (Hu, Koren, Volinsky 2008), 20 iterations."""
    # Installed for development only.
    from implicit.als import AlternatingLeastSquares  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    # Its own threads and those of BLAS would fight for the cores.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=alpha,
            iterations=20,
            num_threads=1,
            random_state=0,
        )
        model.fit(sparse.csr_matrix(loans.matrix()), show_progress=False)

    def score(students: Ints) -> Floats:
        return np.asarray(model.user_factors[students] @ model.item_factors.T, np.float32)

    return score


def _to_all(values: Floats) -> Scorer:
    return lambda students: np.tile(values.astype(np.float32), (len(students), 1))
