"""The terms of a score, one function each: what speaks for every book, for some students at once.

Rows of a result are students, columns books of the catalogue, (s, n) float32 in [0, 1] once
`share_of_best` has divided what has no scale of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.books.book_weights import BookWeights
from workers.books.catalog import Catalog
from workers.books.history import History

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

# Grades: a book that far from the expected level fits by 0.61.
LEVEL_SPREAD = 1.0
# Grades that a slope may promise at most; a slope of two loans may say anything.
MAX_PROMISE = 0.5


@dataclass(frozen=True)
class Neighbor:
    """A student of the graph: how similar, in [0, 1], and what they borrowed."""

    similarity: float
    history: History


def readers(weights: BookWeights, histories: Sequence[History]) -> Floats:
    """Add up the rows of EASE of each student's loans; no scale, may be negative."""
    return _add_up(
        [weights.books[history.books] for history in histories],
        [weights.values[history.books] * history.weights[:, None] for history in histories],
        len(weights.books),
    )


def content(vectors: Floats, tastes: Floats) -> Floats:
    """Compare all books' unit vectors (n, d) with the students' tastes (s, d): cosines."""
    return tastes @ vectors.T


def tastes(
    vectors: Floats,
    histories: Sequence[History],
    profiles: Sequence[Floats | None],
    elsewhere: Sequence[Floats | None] | None = None,
) -> Floats:
    """Average the vectors of what each student borrowed and did not dislike: unit rows (s, d).

    To them is added what they read `elsewhere`, a weighted sum of vectors. Of a student whose books
    have no vectors it is the profile's vector, or zeros without one.
    """
    found = np.zeros((len(histories), vectors.shape[1]), np.float32)
    others = elsewhere or [None] * len(histories)
    for taste, history, profile, other in zip(found, histories, profiles, others, strict=True):
        liked = history.liked
        taste[:] = liked.weights @ vectors[liked.books]
        if other is not None:
            np.add(taste, other, out=taste)
        if profile is not None and not taste.any():
            taste[:] = profile
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    found /= lengths
    return found


def neighbors(neighbors_of: Sequence[Sequence[Neighbor]], books: int) -> Floats:
    """Add up what each student's neighbours borrowed, by similarity and recency; no scale."""
    return _add_up(
        [_together([each.history.books for each in group], np.int32) for group in neighbors_of],
        [
            _together(
                [each.history.weights * np.float32(each.similarity) for each in group], np.float32
            )
            for group in neighbors_of
        ],
        books,
    )


def level(book_levels: Floats, levels: Floats, slopes: Floats) -> Floats:
    """Compare books' levels (n,) with where students (s,) will be in 30 days, in grades.

    A Gaussian around `level + slope`, the slope in grades per 30 days (NaN: none). 0 where the
    level of the student or of the book is unknown (NaN).
    """
    promised = np.clip(np.nan_to_num(slopes), -MAX_PROMISE, MAX_PROMISE)
    distance = book_levels[None, :] - (levels + promised)[:, None].astype(np.float32)
    fit: Floats = np.exp(distance * distance * np.float32(-0.5 / LEVEL_SPREAD**2))
    # The larger of a number and NaN is the number.
    np.fmax(fit, 0, out=fit)
    return fit


def next_in_series(catalog: Catalog, read: Sequence[Ints]) -> tuple[Floats, list[dict[int, int]]]:
    """Find the next unread volume of every series that a student has begun.

    `read` holds the rows of all books that each student ever borrowed. Returns 1 for such a volume,
    in all its editions, and 0 for others (s, n), and by its row, for each student, the volume they
    read before it. Of a series with gaps it is the first volume that follows one they read.
    """
    found = np.zeros((len(read), len(catalog)), np.float32)
    evidence: list[dict[int, int]] = [{} for _ in read]
    volumes, first = catalog.volumes.rows, catalog.volumes.first
    if not len(volumes):
        return found, evidence
    for marks, before, rows in zip(found, evidence, read, strict=True):
        borrowed = np.zeros(len(catalog), np.bool_)
        borrowed[rows] = True
        known = np.logical_or.reduceat(borrowed[volumes], first[:-1])
        gaps = np.flatnonzero(known[:-1] & ~known[1:] & catalog.volumes.goes_on)
        _, earliest = np.unique(catalog.series[volumes[first[gaps]]], return_index=True)
        for gap in gaps[earliest]:
            last = next(int(row) for row in volumes[first[gap] : first[gap + 1]] if borrowed[row])
            for edition in volumes[first[gap + 1] : first[gap + 2]]:
                before[int(edition)] = last
                marks[edition] = 1
    return found, evidence


def bayesian_rating(totals: Floats, counts: Floats, *, prior_count: float = 5.0) -> Floats:
    """Rate books (n,) by their readers in [0, 1]: 1 star is 0, 5 stars are 1.

    `totals` are sums of ratings. A book with few ratings is near the mean of all: as if it had
    `prior_count` more of them. 0 everywhere when nobody rated anything.
    """
    if not counts.any():
        return np.zeros(len(counts), np.float32)
    mean = totals.sum() / counts.sum()
    stars = (totals + prior_count * mean) / (counts + prior_count)
    rating: Floats = np.clip((stars - 1) / 4, 0, 1).astype(np.float32)
    return rating


def share_of_best(values: Floats, candidates: Floats) -> Floats:
    """Divide each student's values by their best candidate's: [0, 1], 0 for all others.

    `candidates` (s, n) are 1 for a book that may be shown and 0 for others, float32.
    Negative values are 0, and so is everything when no candidate has any (0/0 is 0).
    """
    kept: Floats = values * candidates
    best = kept.max(axis=1, keepdims=True, initial=0)
    kept *= np.divide(1, best, out=np.zeros_like(best), where=best > 0)
    np.clip(kept, 0, 1, out=kept)
    return kept


def _add_up(books: Sequence[Ints], amounts: Sequence[Floats], size: int) -> Floats:
    """Add up by student and book (s, size) arrays that name a book for each amount."""
    places = [rows.ravel() + student * size for student, rows in enumerate(books)]
    sums = np.bincount(
        _together(places, np.int64),
        _together([each.ravel() for each in amounts], np.float32),
        minlength=len(books) * size,
    )
    by_student: Floats = sums.reshape(len(books), size).astype(np.float32)
    return by_student


def _together(arrays: Sequence[npt.NDArray[np.generic]], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *arrays])
