"""Find who is near moved students, and whose lists they belong in.

Among tens of thousands one matrix product with everybody says both. Among more an index names
candidates, and Postgres compares these.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import psycopg

from workers.core.settings import settings
from workers.core.stores import transaction
from workers.neighbors.candidates import Stretch, find_candidates
from workers.neighbors.faiss_index import VectorIndex
from workers.neighbors.graph import NeighborGraph
from workers.neighbors.hnsw_search import search_hnsw, search_hnsw_in
from workers.neighbors.pair_similarity import (
    MAX_PAIRS,
    clamp,
    compare_candidates,
    compare_in_one_pass,
    compare_pairs,
)
from workers.neighbors.topk_lists import (
    Edges,
    Indexes,
    Similarities,
    among,
    occupied,
    pair_keys,
)

# Of offers, so many times as many as lists have places are sorted; more are cut down first.
MAX_OFFERS_PER_PLACE = 2
# Queries whose candidates are held at a time, which of thousands who are nearly alike are many.
QUERIES_TOGETHER = 100
# FAISS uses a core for each; Postgres, which compares afterwards, has to wait for them.
SEARCH_THREADS = 2


@dataclass(frozen=True)
class Pairs:
    """Owners of lists and one member of each, shape (n,) both."""

    owners: Indexes
    members: Indexes


@dataclass(frozen=True)
class Found:
    """What moved students mean for the graph.

    `own` holds the nearest students of each moved one. `offers` holds moved students for the
    lists of others: at least those that belong there.
    """

    own: Edges
    offers: Edges


def compare(graph: NeighborGraph, moved: Indexes) -> Similarities:
    """Compare moved students with everyone: cosine similarity, shape (len(moved), graph.size)."""
    result: Similarities = graph.vectors[moved] @ graph.vectors[: graph.size].T
    return result


def compare_again(
    graph: NeighborGraph, moved: Indexes, sims: Similarities, touched: Indexes
) -> Similarities:
    """Bring `compare`'s result up to date with students that moved or came since."""
    missing = graph.size - sims.shape[1]
    if missing:
        sims = np.pad(sims, ((0, 0), (0, missing)))
    if len(touched):
        sims[:, touched] = graph.vectors[moved] @ graph.vectors[touched].T
    return sims


def find_exact(graph: NeighborGraph, moved: Indexes, sims: Similarities) -> Found:
    """Find everything, from the similarities to everyone."""
    is_moved = np.zeros(graph.size, bool)
    is_moved[moved] = True
    floor = graph.entries[: graph.size].copy()
    floor[is_moved] = np.inf  # their own lists are searched, not repaired
    fits = sims >= floor
    if np.count_nonzero(fits) > MAX_OFFERS_PER_PLACE * graph.depth * graph.size:
        # Many lists are empty yet: more than its depth no list can take.
        best = np.argpartition(-sims, min(graph.depth, len(moved)) - 1, axis=0)[: graph.depth]
        among_best = np.zeros_like(fits)
        np.put_along_axis(among_best, best, values=True, axis=0)
        fits &= among_best
    places = np.flatnonzero(fits)  # fifteen times as fast as nonzero() of two dimensions
    rows, others = np.divmod(places, graph.size)
    offers = Edges(others.astype(np.int32), moved[rows], clamp(sims[rows, others]))
    return Found(nearest(moved, sims, graph.depth), offers)


def nearest(queries: Indexes, sims: Similarities, depth: int) -> Edges:
    """Find the best `depth` students of each query, from similarities to everyone."""
    sims[np.arange(len(queries)), queries] = -np.inf
    count = min(depth, sims.shape[1])
    best = np.argpartition(sims, sims.shape[1] - count, axis=1)[:, -count:]
    near = np.take_along_axis(sims, best, axis=1)
    rows, places = np.nonzero(near >= settings().min_similarity)
    return Edges(queries[rows], best[rows, places].astype(np.int32), clamp(near[rows, places]))


def search_around(graph: NeighborGraph, moved: Indexes) -> Edges:
    """Find who is near moved students, by the index of the worker or by that of Postgres."""
    if graph.ivf is None:
        return search_hnsw(graph, moved)
    return search_ivf(graph, graph.ivf, moved)


def search_ivf(graph: NeighborGraph, index: VectorIndex, moved: Indexes) -> Edges:
    """Find the nearest of each moved student by the FAISS index, and whose lists it belongs in."""
    entries = graph.entries[: graph.size].copy()
    entries[moved] = np.inf  # their own lists are searched, not repaired
    near = Edges.none()
    for candidates in _in_parts(graph, index, moved, entries):
        with transaction() as conn:
            compare_in_one_pass(conn, graph, len(candidates))
            near = near.join(compare_candidates(conn, graph, candidates))
    return near


def _in_parts(
    graph: NeighborGraph, index: VectorIndex, queries: Indexes, entries: Similarities
) -> Iterator[Edges]:
    """Yield candidates of some queries at a time, as many as are compared in one statement."""
    stretch, least = graph.stretch or Stretch(), settings().min_similarity
    found = Edges.none()
    parts = np.array_split(queries, -(-len(queries) // QUERIES_TOGETHER) or 1)

    def search(part: Indexes) -> Edges:
        return find_candidates(index, part, entries, graph.depth, stretch, least=least)

    with ThreadPoolExecutor(SEARCH_THREADS) as threads:
        for more in threads.map(search, parts):
            found = found.join(more)
            if len(found) > MAX_PAIRS:
                yield found
                found = Edges.none()
    yield found


def find_around(
    conn: psycopg.Connection,
    graph: NeighborGraph,
    moved: Indexes,
    held: Pairs,
    near: Edges,
    touched: Indexes,
) -> Found:
    """Add to what was found (`near`) who was near before: in old lists, or by holding the student.

    An index now and then looks in a wrong region and misses everyone there; who was near before is
    seldom far away now. Whoever others have moved since the search (`touched`) is compared, too:
    their batch may have compared itself with where these students were before.
    """
    before = occupied(moved, graph.members[moved], graph.sims[moved])
    a, b = np.repeat(moved, len(touched)), np.tile(touched, len(moved))
    meanwhile = pair_keys(a[a != b], b[a != b])
    pairs = np.union1d(pair_keys(before.owner, before.member), pair_keys(held.members, held.owners))
    pairs = np.union1d(pairs, meanwhile)
    pairs = pairs[~among(pairs, pair_keys(near.owner, near.member))]
    near = near.join(compare_pairs(conn, graph, pairs))
    from_others = near.reversed()
    of_moved = np.isin(from_others.owner, moved)
    # Of two that moved one may have found the other, and not the other way round.
    own = near.fill(from_others.where(of_moved))
    offers = from_others.where(~of_moved)
    return Found(
        own.where(own.sim >= settings().min_similarity),
        offers.where(offers.sim >= graph.entries[offers.owner]),
    )


def refill_around(
    conn: psycopg.Connection, graph: NeighborGraph, short: Indexes, left: Edges
) -> Edges:
    """Find who is near the owners of lists that have become too short, and keep what is left."""
    if graph.ivf is None:
        near = search_hnsw_in(conn, graph, short, graph.depth)
        return near.where(near.sim >= settings().min_similarity).fill(left)
    near = Edges.none()
    nobodys = np.full(graph.size, np.inf, np.float32)
    for candidates in _in_parts(graph, graph.ivf, short, nobodys):
        near = near.join(compare_candidates(conn, graph, candidates))
    return near.fill(left)


def lists_holding(graph: NeighborGraph, moved: Indexes) -> Pairs:
    """Find the lists of students that did not move, with the moved students that are in them."""
    # Every list is looked through for each batch, so this is one pass over them. An empty place
    # is -1, which is the mark behind the last student's.
    marks = np.zeros(graph.size + 1, bool)
    marks[moved] = True
    members = graph.members[: graph.size]
    # A student alone, the usual case, is found six times as fast by comparing.
    holds = members == moved[0] if len(moved) == 1 else marks.take(members, mode="wrap")
    found = np.flatnonzero(holds)
    owners = (found // graph.depth).astype(np.int32)
    stayed = ~marks[owners]
    return Pairs(owners[stayed], members.ravel()[found[stayed]])
