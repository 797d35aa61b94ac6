"""EASE, how much a loan of one book speaks for another: a closed form over all loans.

Steck 2019: `B = I - P / diag(P)` with `P = (XᵀX + λI)⁻¹`, diagonal 0. Dense and cubic in the
number of books, in float32 and in place: 20,000 books take 1.9 GB and 340 s of CPU. The inverse is
made in blocked steps of seconds, not by LAPACK in one call, because SciPy's wrapper keeps the
interpreter lock for minutes, and nothing else in the process could keep a lease meanwhile.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import sparse

from workers.books.book_weights import BookWeights

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

# Weights kept for a book, by magnitude. All of them rank no better; 50 rank slightly worse.
KEPT_WEIGHTS = 100
# Books a step takes. Larger steps are a little faster, and take as much more memory.
STEP = 512
# Rows of a step that are updated at once: their product is the largest temporary array.
STRIP = 1024


def solve_ease(
    loans: sparse.csr_array,
    *,
    ridge: float,
    kept: int = KEPT_WEIGHTS,
    after_step: Callable[[int, int], None] = lambda _done, _steps: None,
) -> BookWeights:
    """Solve for the weights between books from a sparse matrix of students by books, ones.

    `ridge` is λ: larger means that rare pairs count less. `after_step(done, steps)` is called
    every few seconds; what it raises ends the solve, and nothing of it is kept.
    """
    inverse = count_shared_readers(loans)
    inverse[np.diag_indices_from(inverse)] += np.float32(ridge)
    invert_in_place(inverse, after_step=after_step)
    return largest_weights(inverse, kept=kept)


def count_shared_readers(loans: sparse.csr_array) -> Floats:
    """Count the students that borrowed both of two books: XᵀX, dense (n, n) float32.

    A strip of books at a time: the sparse product of all would be larger than the dense one.
    """
    by_student = sparse.csr_array(loans, dtype=np.float32)
    by_book = sparse.csr_array(by_student.T)
    books = by_student.shape[1]
    counts = np.empty((books, books), np.float32)
    for start in range(0, books, STRIP):
        (by_book[start : start + STRIP] @ by_student).toarray(out=counts[start : start + STRIP])
    return counts


def invert_in_place(
    matrix: Floats, *, after_step: Callable[[int, int], None] = lambda _done, _steps: None
) -> None:
    """Replace a symmetric positive definite matrix by its negative inverse.

    The sweep operator in blocks: a block of rows K becomes `-K⁻¹` on the diagonal, and of the rest
    `rest · K⁻¹ · restᵀ` is subtracted. Only the lower triangle is worked on, then mirrored. The
    blocks on the diagonal are inverted in float64.
    """
    size = len(matrix)
    starts = range(0, size, STEP)
    for done, start in enumerate(starts, 1):
        swept = slice(start, min(start + STEP, size))
        _sweep(matrix, swept)
        after_step(done, len(starts))
    for start in range(0, size, STRIP):
        rows = slice(start, min(start + STRIP, size))
        square = np.tril(matrix[rows, rows])
        matrix[rows, rows] = square + np.tril(square, -1).T
        matrix[rows, rows.stop :] = matrix[rows.stop :, rows].T


def _sweep(matrix: Floats, swept: slice) -> None:
    size = len(matrix)
    block = matrix[swept, swept]
    square = np.tril(block) + np.tril(block, -1).T
    inverse: Floats = np.linalg.inv(square.astype(np.float64)).astype(np.float32)
    inverse = (inverse + inverse.T) * np.float32(0.5)
    # The block's columns, whole: above the diagonal they are its rows.
    columns = np.concatenate([matrix[swept, : swept.start].T, matrix[swept.start :, swept]])
    columns[swept] = 0
    solved = columns @ inverse
    for start in range(0, size, STRIP):
        stop = min(start + STRIP, size)
        matrix[start:stop, :stop] -= solved[start:stop] @ columns[:stop].T
    matrix[swept, : swept.start] = solved[: swept.start].T
    matrix[swept.stop :, swept] = solved[swept.stop :]
    matrix[swept, swept] = -inverse


def largest_weights(negative_inverse: Floats, *, kept: int = KEPT_WEIGHTS) -> BookWeights:
    """Take the `kept` weights of largest magnitude of each book out of `-P`.

    Overwrites its argument: the whole of B would take as much memory again.
    """
    size = len(negative_inverse)
    kept = min(kept, max(size - 1, 1))
    scale = -1 / np.diag(negative_inverse)
    np.fill_diagonal(negative_inverse, 0)
    books = np.zeros((size, kept), np.int32)
    values = np.zeros((size, kept), np.float32)
    for start in range(0, size, STEP):
        rows = negative_inverse[start : start + STEP]
        rows *= scale
        largest = np.argpartition(np.abs(rows), size - kept, axis=1)[:, size - kept :]
        largest.sort(axis=1)
        books[start : start + STEP] = largest
        values[start : start + STEP] = np.take_along_axis(rows, largest, axis=1)
    return BookWeights(np.where(values == 0, 0, books).astype(np.int32), values)
