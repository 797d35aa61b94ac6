"""A student's loans as scoring weighs them: distinct, the newest first, each less than the last."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

NEWEST_LOANS = 100
# In loans, not in days: who reads little does not lose what is known of them.
HALF_LIFE_LOANS = 10.0
# A verdict of dislike, below all ratings: a student does not want more of this.
DISLIKED = 0
# Ratings from here down say nothing of what else a student wants. Whoever rates a book low has
# borrowed it all the same: subtracted, MovieLens' low ratings cost .011 of NDCG@10 on the window on
# which everything is chosen (.158 against .169).
LOW_RATING = 2


@dataclass(frozen=True)
class History:
    """Distinct books of a student, the newest loan first.

    `books` (k,) int32 are rows of the catalogue; `weights` (k,) float32 are
    `0.5 ** (rank / half_life)`, 0 for a book that was rated 1 or 2, negative for a disliked one.
    """

    books: Ints
    weights: Floats

    def __len__(self) -> int:
        return len(self.books)

    @property
    def liked(self) -> "History":
        """The same without books that were rated low or disliked."""
        positive = self.weights > 0
        return History(self.books[positive], self.weights[positive])


NO_HISTORY = History(np.empty(0, np.int32), np.empty(0, np.float32))


def grade_loans(
    books: npt.ArrayLike,
    times: npt.ArrayLike,
    ratings: npt.ArrayLike | None = None,
    *,
    half_life: float = HALF_LIFE_LOANS,
    newest: int = NEWEST_LOANS,
) -> History:
    """Weigh a student's loans: rows of the catalogue, times in any unit, ratings with NaN for none.

    A book borrowed twice counts once, with its newest loan and its newest rating. Loans of the same
    time keep the order they come in, the last being the newest. Rows below 0 (books that are gone)
    do not count. A verdict of dislike is a loan rated `DISLIKED`.

    >>> grade_loans([7, 8, 7], [1, 2, 3], half_life=1).weights.tolist()
    [1.0, 0.5]
    """
    rows = np.asarray(books, np.int32)
    order = np.argsort(np.asarray(times), kind="stable")[::-1]
    order = order[rows[order] >= 0]
    rows = rows[order]
    _, first = np.unique(rows, return_index=True)
    first = np.sort(first)[:newest]
    weights = decay(len(first), half_life)
    if ratings is not None:
        rated = np.asarray(ratings, np.float32)[order]
        weights *= _signs(_newest_ratings(rows, rated, rows[first]))
    return History(rows[first], weights)


def grade_groups(
    books: Ints, groups: Ints, ratings: Floats, count: int, *, half_life: float = HALF_LIFE_LOANS
) -> list[History]:
    """Weigh the loans of `count` students at once, as `grade_loans` does for each.

    `groups` names the student of each loan by place, ascending; of one student the newest loan
    comes first.

    >>> graded = grade_groups(
    ...     np.array([7, 8, 7, 9]),
    ...     np.array([0, 0, 0, 1]),
    ...     np.full(4, np.nan, np.float32),
    ...     2,
    ...     half_life=1,
    ... )
    >>> [(each.books.tolist(), each.weights.tolist()) for each in graded]
    [([7, 8], [1.0, 0.5]), ([9], [1.0])]
    """
    there = books >= 0
    books, groups, ratings = books[there], groups[there], ratings[there]
    # A number of its own for each pair of student and book.
    pairs = groups.astype(np.int64) * (int(books.max(initial=0)) + 1) + books
    _, first = np.unique(pairs, return_index=True)
    first.sort()
    starts = np.searchsorted(groups[first], np.arange(count + 1))
    ranks = np.arange(len(first)) - starts[groups[first]]
    weights = (0.5 ** (ranks / half_life)).astype(np.float32)
    weights *= _signs(_newest_ratings(pairs, ratings, pairs[first]))
    rows = books[first].astype(np.int32)
    return [
        History(rows[start:stop], weights[start:stop])
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]


def decay(loans: int, half_life: float = HALF_LIFE_LOANS) -> Floats:
    """Weigh `loans` loans by rank, newest first: `0.5 ** (rank / half_life)`, float32.

    >>> [round(weight, 4) for weight in decay(4, half_life=3).tolist()]
    [1.0, 0.7937, 0.63, 0.5]
    """
    return (0.5 ** (np.arange(loans) / half_life)).astype(np.float32)


def _signs(ratings: Floats) -> Floats:
    signs = np.where(ratings <= LOW_RATING, np.float32(0), np.float32(1))
    return np.where(ratings <= DISLIKED, np.float32(-1), signs)


def _newest_ratings(
    rows: npt.NDArray[np.integer], ratings: Floats, wanted: npt.NDArray[np.integer]
) -> Floats:
    """Find the first rating that is not NaN of each wanted book; NaN for a book without any."""
    known = ~np.isnan(ratings)
    rated, place = np.unique(rows[known], return_index=True)
    if not len(rated):
        return np.full(len(wanted), np.nan, np.float32)
    found = np.minimum(np.searchsorted(rated, wanted), len(rated) - 1)
    newest = ratings[known][place[found]]
    return np.where(rated[found] == wanted, newest, np.float32(np.nan))
