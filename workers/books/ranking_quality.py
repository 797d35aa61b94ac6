"""How good lists are: the measures of `evaluate`, for each reader and over all.

Lists are arrays (s, k) of rows of books, best first, -1 where a list is shorter. What a reader
borrowed afterwards, `relevant`, is a sparse matrix (s, n) of ones.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ints = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]

# The most borrowed books that are called the head.
HEAD_SHARE = 0.1
RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A mean and the 95 % interval of it."""

    mean: float
    low: float
    high: float


def ndcg(lists: Ints, relevant: sparse.csr_array, k: int = 10) -> Doubles:
    """Rate each list by how early its hits come: NDCG@k in [0, 1], (s,).

    A hit at rank r from 1 counts `1 / log2(r + 1)`, against a list with all of a reader's relevant
    books first. NaN for a reader without any.
    """
    discounts: Doubles = 1 / np.log2(np.arange(2, k + 2))
    gains: Doubles = hits(lists[:, :k], relevant) @ discounts[: lists[:, :k].shape[1]]
    ideal: Doubles = np.concatenate([[np.nan], np.cumsum(discounts)])
    best: Doubles = ideal[np.minimum(_counts(relevant), k)]
    return gains / best


def recall(lists: Ints, relevant: sparse.csr_array, k: int = 20) -> Doubles:
    """Say which share of a reader's relevant books is among the first k, (s,); NaN without any."""
    found = hits(lists[:, :k], relevant).sum(axis=1)
    counts = _counts(relevant).astype(np.float64)
    shares = np.full(len(counts), np.nan)
    np.divide(found, counts, out=shares, where=counts > 0)
    return shares


def coverage(lists: Ints, books: int, k: int = 10) -> float:
    """Say which share of the catalogue is in anybody's first k."""
    return len(_shown(lists, k)[1]) / books


def head_share(lists: Ints, popularity: npt.ArrayLike, k: int = 10) -> float:
    """Say which share of the first k of all lists are of the head.

    The head is the tenth of the catalogue with the most readers (`popularity`, (n,)).
    """
    readers = np.asarray(popularity)
    head = np.argsort(-readers, kind="stable")[: max(round(HEAD_SHARE * len(readers)), 1)]
    shown, _ = _shown(lists, k)
    return float(np.isin(shown, head).mean()) if len(shown) else 0.0


def novelty(lists: Ints, popularity: npt.ArrayLike, readers: int, k: int = 10) -> float:
    """Say how little known what is shown is: the mean of `-log2(share of readers)`, in bits.

    A book that nobody borrowed counts as if half a reader had.
    """
    shown, _ = _shown(lists, k)
    shares = np.maximum(np.asarray(popularity, np.float64)[shown], 0.5) / readers
    return float(-np.log2(shares).mean()) if len(shown) else 0.0


def bootstrap(values: Doubles, against: Doubles | float = 0.0, *, seed: int = 0) -> Interval:
    """Estimate the mean of `values - against` over readers, by 1,000 resamples of the readers.

    Paired: of two systems the same readers are drawn. NaN is left out. If the interval of a
    difference does not hold 0, the systems differ.
    """
    differences = values - against
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        return Interval(np.nan, np.nan, np.nan)
    generator = np.random.default_rng(seed)
    means = [
        differences[generator.integers(len(differences), size=len(differences))].mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(differences.mean()), float(low), float(high))


def hits(lists: Ints, relevant: sparse.csr_array) -> npt.NDArray[np.bool_]:
    """Say which places of the lists hold a relevant book (s, k)."""
    readers, books = relevant.shape
    pairs = np.repeat(np.arange(readers), np.diff(relevant.indptr)) * books + relevant.indices
    places = np.arange(readers)[:, None] * books + lists
    return np.isin(places, pairs) & (lists >= 0)


def _counts(relevant: sparse.csr_array) -> npt.NDArray[np.int64]:
    return np.asarray(np.diff(relevant.indptr), np.int64)


def _shown(lists: Ints, k: int) -> tuple[Ints, Ints]:
    shown = lists[:, :k]
    shown = shown[shown >= 0]
    return shown, np.unique(shown)
