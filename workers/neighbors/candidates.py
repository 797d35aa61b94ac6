"""Candidates by the FAISS index: who may be near a student, or have a list that it belongs in.

An estimate says no more than roughly how near somebody is, so a candidate is whoever may reach what
counts by what estimates are known to be off. They are to be compared exactly. Where candidates do
not end with what has been looked through, the search goes on: in more cells, and for more of each.
A hub, or one of thousands who are nearly alike, belongs in more lists than any fixed number says.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.neighbors.faiss_index import VectorIndex
from workers.neighbors.topk_lists import Edges, Indexes, Similarities, occupied, rank

# Cells that are looked through first; then as many again, and so on (`nprobe`).
FIRST_CELLS = 4
# A query goes on as long as what was looked through last holds this share of its candidates. Half
# of it finds two more in a thousand, in a third more time.
WORTHWHILE = 0.02
# How many a query finds at a time (`k`); four times as many while the last of them may count.
FIRST_FOUND = 300
FOUND_GROWTH = 4
# Of more that may count, the nearest by the index are compared: half a second of Postgres a query.
MAX_FOUND = 64 * FIRST_FOUND
# Students so close (squared distance) are the same; nobody is nearer than their lists end.
SAME = 1e-6
# Results that are held at a time, 12 bytes each.
MAX_RESULTS = 2**20
# Lists whose edges tell how far off estimates are.
MEASURED_LISTS = 2000
# Of those edges, the shares whose stretch is below `low`, and below `high`. Closer to 0 and 1 they
# find one in a thousand more, and let a third more be compared in vain.
STRETCH_QUANTILES = (0.05, 0.95)
# So many times its mean square a rounding error may be: each of two vectors has one.
ROUNDINGS = 2


@dataclass(frozen=True)
class Stretch:
    """How many times as far apart as by the index two vectors are, as squared distances.

    Nine in ten edges have a stretch above `low`, and nine in ten one below `high`. Until there are
    lists to measure it by it is 1, as if no component were missing, to what is usual.
    """

    low: float = 1.0
    high: float = 1.3


def measure_stretch(index: VectorIndex, members: Indexes, sims: Similarities) -> Stretch | None:
    """Measure by a sample of lists, shape (n, depth), how far off estimates are.

    Returns:
        None if the sample has fewer than one edge a list that says anything.
    """
    owners = np.random.default_rng(0).permutation(len(members))[:MEASURED_LISTS].astype(np.int32)
    edges = occupied(owners, members[owners], sims[owners])
    edges = edges.where(index.holds(edges.owner) & index.holds(edges.member))
    stretch = []
    for part in np.array_split(np.arange(len(edges)), 1 + len(edges) // MEASURED_LISTS):
        apart = index.codes(edges.owner[part]) - index.codes(edges.member[part])
        squared = np.einsum("ij,ij->i", apart, apart)
        # Between vectors that are nearly the same, rounding is all there is.
        far = squared > 10 * ROUNDINGS * index.rounding
        stretch.append(2 * (1 - edges.sim[part][far]) / squared[far])
    found = np.concatenate(stretch)
    if len(found) < len(owners) or not len(found):
        return None
    low, high = np.quantile(found, STRETCH_QUANTILES).tolist()
    return Stretch(low, high)


def find_candidates(
    index: VectorIndex,
    queries: Indexes,
    floor: Similarities,
    depth: int,
    stretch: Stretch,
    *,
    least: float,
) -> Edges:
    """Find who may be among the nearest `depth` of a query, or have a list that it belongs in.

    Args:
        queries: ids; those that are not in the index have no candidates.
        floor: by id the similarity from which somebody belongs in its list.
        least: the similarity below which nobody is near, in (0, 1].

    Returns:
        Edges from queries to candidates, with the greatest similarity that each may have.
    """
    queries = queries[index.holds(queries)]
    if not len(queries):
        return Edges.none()
    search = _Search(index, queries, floor, depth, stretch, np.float32(least))
    searching, start, width = np.arange(len(queries)), 0, FIRST_CELLS
    found = Edges.none()
    while len(searching) and start < index.cells:
        more = search.look_through(searching, slice(start, start + width))
        found = found.join(more)
        goes_on = search.worthwhile(more, found) | ~search.has_depth
        searching = searching[goes_on[searching]]
        start += width
        width = start
    return search.chosen(found)


class _Search:
    """One batch of queries: their codes and cells, and from which similarity on somebody counts.

    What is found has the greatest similarity that it may have by the index.
    """

    def __init__(
        self,
        index: VectorIndex,
        queries: Indexes,
        floor: Similarities,
        depth: int,
        stretch: Stretch,
        least: np.float32,
    ) -> None:
        self.index, self.queries, self.depth, self.least = index, queries, depth, least
        self.codes = index.codes(queries)
        self.cells, self.distances = index.nearest_cells(self.codes)
        self.stretch = stretch
        self.rounding = ROUNDINGS * index.rounding
        # A list that is not full takes in whoever is near, but nobody goes far to find it.
        self.is_short = floor <= least
        self.entry = np.where(self.is_short | (floor > 1 - SAME), np.inf, floor)
        # By query, the similarity that somebody among its nearest has at least.
        self.own = np.full(len(queries), self.least)
        self.has_depth = np.zeros(len(queries), bool)

    def look_through(self, searching: NDArray[np.int64], some: slice) -> Edges:
        """Search some of the cells of each query, further while there may be more to find."""
        found, count = Edges.none(), max(FIRST_FOUND, 2 * self.depth)
        while len(searching):
            full = []
            for part in np.array_split(searching, -(-len(searching) * count // MAX_RESULTS)):
                edges, is_full = self._nearest(part, count, some)
                found = found.join(edges)
                full.append(part[is_full])
            searching = np.concatenate(full)
            count *= FOUND_GROWTH
        return found

    def _nearest(
        self, part: NDArray[np.int64], count: int, some: slice
    ) -> tuple[Edges, NDArray[np.bool_]]:
        """Find the nearest `count` of queries, and say of which there may be more that count.

        Of those that are searched again nothing is returned.
        """
        cells = np.full((len(part), self.index.cells), -1)
        cells[:, some] = self.cells[part, some]
        distances, ids = self.index.search(self.codes[part], count, cells, self.distances[part])
        distances[ids < 0] = np.inf
        sims: Similarities = 1 - np.float32(self.stretch.low / 2) * distances
        sims += np.float32(self.rounding)
        last = self._at_least(sims[:, self.depth])  # one more is the query itself
        self.has_depth[part] |= last >= self.own[part]
        self.own[part] = np.maximum(self.own[part], last)
        nearest, enters = sims >= self.own[part][:, None], sims >= self.entry[ids]
        # Of any number that are the same as the query, the first will do.
        are_same = distances[:, self.depth] <= SAME
        more = nearest & ~are_same[:, None] | enters & (ids >= 0)
        in_last_half = more[:, count // 2 :].sum(axis=1)
        is_full = (in_last_half > WORTHWHILE * more.sum(axis=1)) & (count < MAX_FOUND)
        keep = nearest | enters | (self.is_short[ids] & (sims >= self.least))
        rows, places = np.nonzero(keep & (ids >= 0) & ~is_full[:, None])
        members = ids[rows, places].astype(np.int32)
        return Edges(part[rows].astype(np.int32), members, sims[rows, places]), is_full

    def worthwhile(self, more: Edges, found: Edges) -> NDArray[np.bool_]:
        """Say of each query whether what was found last is a good share of all that counts."""
        last, all_of_it = (
            np.bincount(edges.owner[self._counts(edges)], minlength=len(self.queries))
            for edges in (more, found)
        )
        return last > WORTHWHILE * all_of_it

    def _counts(self, edges: Edges) -> NDArray[np.bool_]:
        return (edges.sim >= self.own[edges.owner]) | (edges.sim >= self.entry[edges.member])

    def chosen(self, found: Edges) -> Edges:
        """Choose what counts by all that was found, and of lists that are not full the nearest."""
        found = found.where(self.queries[found.owner] != found.member)
        sims = rank(found, len(self.queries), max(FIRST_FOUND, self.depth))[1]
        self.own = np.maximum(self.own, self._at_least(sims[:, self.depth - 1]))
        nearest = self.is_short[found.member] & (found.sim >= sims[found.owner, -1])
        found = found.where(self._counts(found) | nearest)
        return Edges(self.queries[found.owner], found.member, found.sim)

    def _at_least(self, sims: Similarities) -> Similarities:
        """Turn greatest similarities into the least that these students may have."""
        farthest = 1 - (1 - sims + self.rounding) * self.stretch.high / self.stretch.low
        least: Similarities = farthest - self.rounding
        return least
