"""Sketches of students' vectors: a worker looks through everyone in its memory, and a student that
moves changes one row.

A sketch is a vector's largest principal components, a byte each. They are fitted to the population,
because what tells neighbours apart differs from one to the next. Products of sketches are
estimates: who may be near by them is to be compared exactly. Students are sorted into clusters, and
only those clusters are looked through where neighbours are; how far off estimates and clusters may
be is learned from the lists that there are.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from workers.core.vocabulary import MIN_SIMILARITY
from workers.neighbors.topk_lists import Edges, Indexes, Similarities, occupied, rank

Vectors = NDArray[np.float32]
Codes = NDArray[np.int8]

# Of 1,536 they keep nine tenths of what 100,000 students of bench/library.py differ in.
COMPONENTS = 512
LARGEST = 127
# A component's range, in its root mean square; what lies outside is cut off.
RANGE = 8.0
# So many sketches are decoded at a time: 4 MB.
BLOCK = 2048
# Before the exact estimates are known: so many times as many as a list has places are looked at.
WIDEST = 10
WIDEST_FROM = 4096
# Of the edges of lists so many are found by their estimates; of those that readers see, which are
# well above a list's end, nearly all.
SURE = 0.8
# How far below the last of its own list's estimates somebody may still be near, in what the
# estimates of nine in ten edges are off by beyond the median.
BELOW = 1.5
CALIBRATION_LISTS = 2000
# Clusters, but of so many students at least.
CLUSTERS = 64
LEAST_IN_CLUSTER = 250
CLUSTERED = 4000
CLUSTER_ROUNDS = 8
# Of the edges of lists so many end in a cluster that is looked through.
REACHED = 0.998
# So many students may have a list that a query belongs in, on average. Where lists are empty or
# nearly so there are more: then only the nearest are looked at.
MOST_OFFERS = 1000
# What rounding to a byte makes of a product.
CODE_ERROR = 0.01
# A matrix product rearranges what it multiplies with first, which pays from so many rows on.
FEW = 8
# Components are fitted anew to a population that has grown so many times, or moved so many times.
GROWN = 2
MOVED = 10
# There were no lists yet to learn from.
MOVED_UNCALIBRATED = 2


class Sketches:
    """Sketches by student index; zeros for students without a vector."""

    def __init__(self, sample: Iterable[Vectors], population: int) -> None:
        """Fit the components.

        Args:
            sample: vectors of length 1, in blocks of shape (n, dimensions); without any, the first
                ones that are set are what is fitted to.
            population: how many students there are.
        """
        self._components: Vectors = np.empty((0, 0), np.float32)
        self._steps: Vectors = np.empty(0, np.float32)
        self._codes: Codes = np.empty((0, 0), np.int8)
        self._centres: Vectors = np.empty((0, 0), np.float32)
        self._clusters: NDArray[np.int16] = np.empty(0, np.int16)
        # By cluster, up to how far away from a query's best one it is looked through.
        self._reach: Similarities = np.empty(0, np.float32)
        self._population = max(population, BLOCK)
        self._size = self._rows_set = 0
        self._calibrated = False
        self._too_low = self._spread = 0.0
        self._fit(sample)

    @property
    def outdated(self) -> bool:
        """Whether the components may not be those of the population any more."""
        moved = MOVED if self._calibrated else MOVED_UNCALIBRATED
        grown = self._size > GROWN * self._population
        return grown or self._rows_set > moved * self._population

    def set(self, rows: Indexes, vectors: Vectors, capacity: int) -> None:
        """Note vectors of length 1, shape (len(rows), dimensions); there are `capacity` rows."""
        if not len(self._components):
            self._fit([vectors])
        self._grow(capacity)
        self._codes[rows] = self._encode(vectors)
        self._clusters[rows] = self._nearest_centres(rows)
        self._rows_set += len(rows)
        self._size = max(self._size, int(rows.max()) + 1)

    def blank(self, rows: Indexes, capacity: int) -> None:
        """Make students similar to nobody."""
        self._grow(capacity)
        self._codes[rows] = 0

    def calibrate(self, members: Indexes, sims: Similarities) -> None:
        """Sort into clusters, and learn how far off they and estimates are.

        Args:
            members, sims: everyone's list, shape (n, depth), by index.
        """
        rng = np.random.default_rng(0)
        self._find_clusters(len(members), rng)
        count = min(CALIBRATION_LISTS, len(members))
        owners = np.sort(rng.choice(len(members), count, replace=False)).astype(np.int32)
        edges = occupied(owners, members[owners], sims[owners])
        if len(edges) < count:
            return
        off, away, ends = [], [], []
        for part in np.array_split(np.arange(len(edges)), 1 + len(edges) // BLOCK):
            a, b = edges.a[part], edges.b[part]
            first, second = self._decoded(a) * self._steps**2, self._decoded(b)
            off.append(edges.sim[part] - np.einsum("ij,ij->i", first, second))
            # Of a pair either may be the one that moves.
            away += [self._away(a, b), self._away(b, a)]
            ends += [self._clusters[b], self._clusters[a]]
        median, sure, most = np.quantile(np.concatenate(off), [0.5, SURE, 0.9])
        self._too_low, self._spread = float(sure), float(most - median)
        self._calibrated = True
        all_away, all_ends = np.concatenate(away), np.concatenate(ends)
        for cluster in np.unique(all_ends).tolist():
            self._reach[cluster] = np.quantile(all_away[all_ends == cluster], REACHED)

    def near(self, queries: Indexes, floor: Similarities, depth: int) -> Edges:
        """Who may be among the nearest `depth` of a query, or have a list that it belongs in.

        Args:
            floor: per student the similarity from which somebody belongs in its list.

        Returns:
            Edges from queries, with estimates.
        """
        if not len(self._components):
            return Edges.none()
        size = len(floor)
        own = self._decoded(queries) * self._steps**2
        widest = self._widest(own, size, depth)[:, None]
        enters = np.maximum(floor - self._too_low, MIN_SIMILARITY)
        found, count = Edges.none(), 0
        # Written over and over: to get and to give back so much memory takes longer.
        room = np.empty((2, len(queries) * BLOCK), np.float32)
        for who, some in self._looked_through(own, size):
            shape = len(who), len(some)
            estimates, bounds = (part[: shape[0] * shape[1]].reshape(shape) for part in room)
            _multiply(own[who], self._decoded(some), estimates)
            np.minimum(widest[who], enters[some], out=bounds)
            fits = estimates >= bounds
            count += int(np.count_nonzero(fits))
            if count > MOST_OFFERS * len(queries):
                fits = estimates >= widest[who]
            # Fifteen times as fast as nonzero() of two dimensions.
            places = np.flatnonzero(fits)
            rows, others = np.divmod(places, len(some))
            found = found.join(Edges(who[rows], some[others], estimates.ravel()[places]))
        edges = found.where(queries[found.a] != found.b)
        last = rank(edges, len(queries), depth)[1][:, -1] - BELOW * self._spread
        edges = edges.where((edges.sim >= last[edges.a]) | (edges.sim >= enters[edges.b]))
        return Edges(queries[edges.a], edges.b, edges.sim)

    def _looked_through(self, own: Vectors, size: int) -> Iterator[tuple[Indexes, Indexes]]:
        """Blocks of students, with the queries near whose clusters they are."""
        scores = _multiply(own, self._centres, np.empty((len(own), len(self._centres)), np.float32))
        near = scores >= scores.max(axis=1, keepdims=True) - self._reach
        ordered = np.argsort(self._clusters[:size], kind="stable").astype(np.int32)
        ends = np.cumsum(np.bincount(self._clusters[:size], minlength=len(self._centres)))
        # The nearest ones first, in case there are more who may be near than are looked at.
        nearest_first = np.argsort(-scores.max(axis=0))
        for cluster in nearest_first[near.any(axis=0)[nearest_first]].tolist():
            who = np.flatnonzero(near[:, cluster]).astype(np.int32)
            inside = ordered[ends[cluster - 1] if cluster else 0 : ends[cluster]]
            for start in range(0, len(inside), BLOCK):
                yield who, inside[start : start + BLOCK]

    def _away(self, rows: Indexes, others: Indexes) -> Similarities:
        """How much better than the cluster of another a student's best one suits it."""
        scores = self._decoded(rows) * self._steps**2 @ self._centres.T
        away: Similarities = (
            scores.max(axis=1) - scores[np.arange(len(rows)), self._clusters[others]]
        )
        return away

    def _find_clusters(self, size: int, rng: np.random.Generator) -> None:
        """Centres by Lloyd's algorithm, in codes, and everyone's cluster."""
        count = min(CLUSTERS, size // LEAST_IN_CLUSTER)
        if count < 2 or not len(self._components):
            return
        chosen = rng.choice(size, min(CLUSTERED, size), replace=False).astype(np.int32)
        some = self._decoded(chosen) * self._steps
        centres = some[:count].copy()
        for _ in range(CLUSTER_ROUNDS):
            nearest = _nearest(some, centres)
            sums = np.zeros_like(centres)
            np.add.at(sums, nearest, some)
            sizes = np.bincount(nearest, minlength=count)[:, None]
            centres = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres)
        self._centres = (centres / self._steps).astype(np.float32)
        self._reach = np.full(count, np.inf, np.float32)
        for start in range(0, size, BLOCK):
            block = np.arange(start, min(start + BLOCK, size), dtype=np.int32)
            self._clusters[block] = self._nearest_centres(block)

    def _nearest_centres(self, rows: Indexes) -> NDArray[np.int16]:
        return _nearest(self._decoded(rows) * self._steps, self._centres * self._steps)

    def _widest(self, own: Vectors, size: int, depth: int) -> Similarities:
        """Per query an estimate that about `WIDEST` lists' worth of students reach."""
        some = self._decoded(slice(0, size, -(-size // WIDEST_FROM)))
        place = min(-(-WIDEST * depth * len(some) // size), len(some))
        estimates = _multiply(own, some, np.empty((len(own), len(some)), np.float32))
        estimates.partition(len(some) - place, axis=1)
        widest: Similarities = np.maximum(estimates[:, len(some) - place], MIN_SIMILARITY)
        return widest

    def _fit(self, sample: Iterable[Vectors]) -> None:
        moment, count = None, 0
        for block in sample:
            product = block.T @ block
            moment = product if moment is None else moment + product
            count += len(block)
        if moment is None:
            return
        values, directions = np.linalg.eigh(moment / count)
        kept = min(COMPONENTS, len(values))
        self._components = np.ascontiguousarray(directions.T[::-1][:kept])
        values = np.maximum(values[::-1][:kept], 0)
        self._steps = np.clip(RANGE * np.sqrt(values), 1e-6, 1) / LARGEST
        self._centres = np.zeros((1, kept), np.float32)
        self._reach = np.full(1, np.inf, np.float32)
        # What is not kept of vectors makes estimates too low, of neighbours by less than that.
        self._too_low = max(1 - float(values.sum()), 0.0) + CODE_ERROR
        self._spread = self._too_low / 3

    def _encode(self, vectors: Vectors) -> Codes:
        room = np.empty((len(vectors), len(self._steps)), np.float32)
        scaled = np.rint(_multiply(vectors, self._components, room) / self._steps)
        codes: Codes = np.clip(scaled, -LARGEST, LARGEST).astype(np.int8)
        return codes

    def _decoded(self, rows: Indexes | slice) -> Vectors:
        """Codes as numbers; times `_steps` they are the components."""
        return self._codes[rows].astype(np.float32)

    def _grow(self, capacity: int) -> None:
        shape = (capacity, len(self._steps))
        if self._codes.shape != shape:
            grown = np.zeros(shape, np.int8)
            kept = self._codes[:, : shape[1]]
            grown[: len(kept), : kept.shape[1]] = kept
            self._codes = grown
            missing = np.zeros(capacity - len(self._clusters), np.int16)
            self._clusters = np.concatenate([self._clusters, missing])


def _nearest(rows: Vectors, centres: Vectors) -> NDArray[np.int16]:
    """Of each row the nearest centre."""
    room = np.empty((len(rows), len(centres)), np.float32)
    closeness = _multiply(rows, centres, room) - (centres**2).sum(axis=1) / 2
    nearest: NDArray[np.int16] = closeness.argmax(axis=1).astype(np.int16)
    return nearest


def _multiply(rows: Vectors, others: Vectors, out: Vectors) -> Vectors:
    """The products of rows with rows, shape (len(rows), len(others)), in `out`."""
    if len(rows) < FEW:
        for row, place in zip(rows, out, strict=True):
            np.matmul(others, row, out=place)
        return out
    return np.matmul(rows, others.T, out=out)
