"""What a loan of one book says of others, as numbers: the largest weights of each book."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class BookWeights:
    """The largest weights of each book; row i is what a loan of book i adds to others.

    `books` (n, k) int32 names the book that a weight is for, ascending within a row; `values`
    (n, k) float32 are signed. Places left over hold book 0 with weight 0.
    """

    books: Ints
    values: Floats


def place_in_catalog(weights: BookWeights, rows: Ints, books: int) -> BookWeights:
    """Move weights from a model's numbering to a catalogue's of `books` books.

    `rows` (n,) int32 is the catalogue's row of each book of the model, -1 for one that is gone:
    it gives nothing and gets nothing. Books that the model does not know have weights of 0.
    """
    kept = weights.books.shape[1]
    targets = rows[weights.books] if len(rows) else np.zeros_like(weights.books)
    values = np.where(targets < 0, np.float32(0), weights.values)
    placed = BookWeights(np.zeros((books, kept), np.int32), np.zeros((books, kept), np.float32))
    known = rows >= 0
    placed.books[rows[known]] = np.where(values == 0, 0, targets)[known]
    placed.values[rows[known]] = values[known]
    return placed
