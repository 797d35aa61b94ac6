"""Everyone's nearest neighbours by blocked matrix products, in bounded memory.

Similarity is symmetric, so each pair of blocks is multiplied once and serves both sides: half the
work of the plain product.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from workers.neighbors.topk_lists import Edges, Indexes, Similarities, rank

Vectors = NDArray[np.float32]
ReadRows = Callable[[int, int], Vectors]

# A block that stays is multiplied with pieces of a quarter of its rows: with 8,192 rows of 1,536
# dimensions 50 MB stay, 12 MB pass by, and their product takes 67 MB.
PIECES = 4


def blocked_knn(
    read_rows: ReadRows,
    count: int,
    depth: int,
    threshold: float,
    *,
    held_rows: int,
    first: int = 0,
) -> Iterator[tuple[float, int, int, Indexes, Similarities]]:
    """Find the `depth` nearest of each of `count` students.

    Args:
        read_rows: the vectors [start, end), scaled to length 1; read many times.
        held_rows: the size of the block that stays while the others pass by.
        first: the row to begin with, when those before it are done.

    Yields:
        After each passing block the share of the work that is done, in [0, 1], with an empty row
        range (start == end); and, as soon as a held block is final, its row range with members and
        similarities of shape (end - start, depth).
    """
    members = np.full((count, depth), -1, np.int32)
    sims = np.full((count, depth), -np.inf, np.float32)
    passing_rows = max(held_rows // PIECES, 1)
    starts = list(range(first, count, held_rows))
    work_total = sum(first + count - start for start in starts) or 1
    work_done = 0
    for start in starts:
        end = min(start + held_rows, count)
        held = read_rows(start, end)
        # Rows before `first` were final in an earlier run, whose contributions to ours are lost.
        for passing_start, passing_end in [
            *_ranges(0, first, passing_rows),
            *_ranges(start, end, passing_rows),
            *_ranges(end, count, passing_rows),
        ]:
            passing = (
                held[passing_start - start : passing_end - start]
                if start <= passing_start and passing_end <= end
                else read_rows(passing_start, passing_end)
            )
            product = held @ passing.T
            _forget_oneself(product, start, passing_start)
            _keep_best(members, sims, start, product, passing_start, threshold)
            if passing_start >= end:
                _keep_best(members, sims, passing_start, product.T, start, threshold)
            work_done += passing_end - passing_start
            yield work_done / work_total, start, start, members[:0], sims[:0]
        yield work_done / work_total, start, end, members[start:end], sims[start:end]


def _ranges(start: int, end: int, step: int) -> Iterator[tuple[int, int]]:
    return ((low, min(low + step, end)) for low in range(start, end, step))


def _forget_oneself(product: Similarities, row_start: int, column_start: int) -> None:
    rows = np.arange(product.shape[0])
    columns = rows + row_start - column_start
    inside = (columns >= 0) & (columns < product.shape[1])
    product[rows[inside], columns[inside]] = -np.inf


def _keep_best(
    members: Indexes,
    sims: Similarities,
    row_start: int,
    product: Similarities,
    column_start: int,
    threshold: float,
) -> None:
    """Merge a block's similarities into the lists of its rows."""
    count, depth = product.shape[0], members.shape[1]
    rows = slice(row_start, row_start + count)
    floor = np.maximum(sims[rows, -1], threshold)
    better = product >= floor[:, None]
    if np.count_nonzero(better) > count * depth * 4:
        # Early on nearly everyone is better than nobody: take each row's best first.
        keep = min(depth, product.shape[1])
        best = np.argpartition(product, product.shape[1] - keep, axis=1)[:, -keep:]
        near = np.take_along_axis(product, best, axis=1)
        found_rows, places = np.nonzero(near >= floor[:, None])
        columns, found = best[found_rows, places], near[found_rows, places]
    else:
        found_rows, columns = np.nonzero(better)
        found = product[found_rows, columns]
    touched, position = np.unique(found_rows, return_inverse=True)
    if not len(touched):
        return
    stored_rows, stored_places = np.nonzero(members[rows][touched] >= 0)
    stored = Edges(
        stored_rows.astype(np.int32),
        members[rows][touched][stored_rows, stored_places],
        sims[rows][touched][stored_rows, stored_places],
    )
    new = Edges(position.astype(np.int32), (columns + column_start).astype(np.int32), found)
    members[row_start + touched], sims[row_start + touched] = rank(
        stored.join(new), len(touched), depth
    )
