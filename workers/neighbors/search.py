"""Who is near a moved student: by one matrix product among tens of thousands, by sketches among
hundreds of thousands, by an HNSW index among more.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from workers.core.metrics import NEIGHBORS_OUT_OF_RANGE
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.neighbors.graph import NeighborGraph
from workers.neighbors.sketches import Sketches
from workers.neighbors.topk_lists import (
    Edges,
    Indexes,
    Similarities,
    among,
    occupied,
    pair_keys,
)

SET_EF_SEARCH = query("neighbors/search.set_ef_search")
SEARCH_INDEX = query("neighbors/search.search_index")
COMPARE_IN_ONE_PASS = query("neighbors/search.compare_in_one_pass")
COMPARE_PAIRS = query("neighbors/search.compare_pairs")

# With the index, a moved student is offered to the lists of this many students around it: in whose
# list it belongs is often not among its own nearest. Of 50, 75 and 100 these found 92, 98 and 99 %.
SURROUNDINGS = 100
SEARCH_CONNECTIONS = 2
# From so many pairs per student on they are compared in one pass over all vectors: of 100,000, it
# takes 120 ms and 1.3 us a pair, and to look up both vectors of a pair 4 us.
ONE_PASS_SHARE = 0.4
MOST_OFFERS_PER_LIST = 2
# Lists that are refilled from sketches at a time, because memory grows with them.
REFILLED_TOGETHER = 500
ROUNDING = 1e-5


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
    """Cosine similarity of moved students to everyone, shape (len(moved), graph.size)."""
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
    """Everything, from the similarities to everyone."""
    is_moved = np.zeros(graph.size, bool)
    is_moved[moved] = True
    floor = graph.entries[: graph.size].copy()
    floor[is_moved] = np.inf  # their own lists are searched, not repaired
    fits = sims >= floor
    if np.count_nonzero(fits) > MOST_OFFERS_PER_LIST * graph.depth * graph.size:
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
    """The best `depth` students of each query, from similarities to everyone."""
    sims[np.arange(len(queries)), queries] = -np.inf
    count = min(depth, sims.shape[1])
    best = np.argpartition(sims, sims.shape[1] - count, axis=1)[:, -count:]
    near = np.take_along_axis(sims, best, axis=1)
    rows, places = np.nonzero(near >= settings().least_similarity)
    return Edges(queries[rows], best[rows, places].astype(np.int32), clamp(near[rows, places]))


def search_around(graph: NeighborGraph, moved: Indexes) -> Edges:
    """Who is near moved students, by sketches or by the index."""
    if graph.sketches is None:
        return search_index(graph, moved)
    return search_sketches(graph, graph.sketches, moved)


def search_index(graph: NeighborGraph, moved: Indexes) -> Edges:
    """The nearest of each moved student by the index, its surroundings included.

    The batch is shared out to `SEARCH_CONNECTIONS`, because Postgres searches with one core each.
    """
    most = max(SURROUNDINGS, graph.depth)
    shares = [share for share in np.array_split(moved, SEARCH_CONNECTIONS) if len(share)]

    def search(share: Indexes) -> Edges:
        with transaction() as conn:
            return _search(conn, graph, share, most)

    near = Edges.none()
    with ThreadPoolExecutor(SEARCH_CONNECTIONS) as threads:
        for found in threads.map(search, shares):
            near = near.join(found)
    return near.where(near.sim >= settings().least_similarity)


def search_sketches(graph: NeighborGraph, sketches: Sketches, moved: Indexes) -> Edges:
    """The nearest of each moved student by its sketch, and all whose lists it belongs in."""
    floor = graph.entries[: graph.size].copy()
    floor[moved] = np.inf  # their own lists are searched, not repaired
    maybe = sketches.near(moved, floor, graph.depth)
    with transaction() as conn:
        if len(maybe) > ONE_PASS_SHARE * graph.size:
            conn.execute(COMPARE_IN_ONE_PASS)
        near = compare_pairs(conn, graph, pair_keys(maybe.a, maybe.b))
    return near.where(near.sim >= settings().least_similarity)


def find_around(
    conn: psycopg.Connection,
    graph: NeighborGraph,
    moved: Indexes,
    held: Pairs,
    near: Edges,
    touched: Indexes,
) -> Found:
    """What was found, with who was near before: old lists, and lists that held a moved student.

    So is everybody whom others have moved since (`touched`): their batch may have compared itself
    with where these were before. An index now and then looks in a wrong region and misses everyone
    there; who was near before is seldom far away now.
    """
    before = occupied(moved, graph.members[moved], graph.sims[moved])
    a, b = np.repeat(moved, len(touched)), np.tile(touched, len(moved))
    meanwhile = pair_keys(a[a != b], b[a != b])
    pairs = np.union1d(pair_keys(before.a, before.b), pair_keys(held.members, held.owners))
    pairs = np.union1d(pairs, meanwhile)
    pairs = pairs[~among(pairs, pair_keys(near.a, near.b))]
    near = near.join(compare_pairs(conn, graph, pairs))
    from_others = near.reversed()
    of_moved = np.isin(from_others.a, moved)
    # Of two that moved one may have found the other, and not the other way round.
    own = near.fill(from_others.where(of_moved))
    offers = from_others.where(~of_moved)
    return Found(
        own.where(own.sim >= settings().least_similarity),
        offers.where(offers.sim >= graph.entries[offers.a]),
    )


def refill_around(
    conn: psycopg.Connection, graph: NeighborGraph, short: Indexes, left: Edges
) -> Edges:
    """For lists that have become too short: who is near by sketches or index, and what is left."""
    if graph.sketches is None:
        near = _search(conn, graph, short, graph.depth)
    else:
        near = Edges.none()
        nobodys = np.full(graph.size, np.inf, np.float32)
        for part in np.array_split(short, 1 + len(short) // REFILLED_TOGETHER):
            maybe = graph.sketches.near(part, nobodys, graph.depth)
            near = near.join(compare_pairs(conn, graph, pair_keys(maybe.a, maybe.b)))
    return near.where(near.sim >= settings().least_similarity).fill(left)


def holders(graph: NeighborGraph, moved: Indexes) -> Pairs:
    """Lists of students that did not move, with the moved students that are in them."""
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


def clamp(sims: Similarities) -> Similarities:
    """Into [0, 1]: rounding makes a vector a little more than itself; anything else is counted."""
    wrong = int(np.count_nonzero(np.abs(sims) > 1 + ROUNDING))
    if wrong:
        NEIGHBORS_OUT_OF_RANGE.add(wrong)
    return np.clip(sims, 0, 1)


def ef_search(students: int, *, known: bool) -> int:
    """How far to look around in the index for a recall of 0.99: further for those without a list.

    40 at 10,000 students and 100 at 100,000; three times that for newcomers.
    """
    near = 40 * (max(students, 1) / 10_000) ** 0.4 * (1 if known else 3)
    return int(np.clip(near, 40, 1000))


def _search(conn: psycopg.Connection, graph: NeighborGraph, queries: Indexes, most: int) -> Edges:
    statement = sql.SQL(SEARCH_INDEX).format(**_model())
    has_list = graph.members[queries, 0] >= 0
    near = Edges.none()
    for known, some in ((True, queries[has_list]), (False, queries[~has_list])):
        if len(some):
            around = max(ef_search(graph.size, known=known), most + 1)
            conn.execute(SET_EF_SEARCH, {"ef_search": around})
            asked = {"keys": graph.names(some), "limit": most + 1}
            rows = conn.execute(statement, asked, binary=True)
            near = near.join(_edges(graph, rows.fetchall()))
    return near


def compare_pairs(
    conn: psycopg.Connection, graph: NeighborGraph, pairs: NDArray[np.int64]
) -> Edges:
    """Edges of pairs as `pair_keys` numbers them; a pair is left out if one has no vector."""
    if not len(pairs):
        return Edges.none()
    pairs = np.sort(pairs)
    a, b = (pairs >> 32).astype(np.int32), pairs.astype(np.int32)
    owners, starts = np.unique(a, return_index=True)
    others = "\n".join(graph.names(b))
    if others.count("\n") != len(b) - 1:
        raise ValueError("an id holds a line break")
    statement = sql.SQL(COMPARE_PAIRS).format(**_model())
    asked = {"owners": graph.names(owners), "starts": (starts + 1).tolist(), "others": others}
    # Not prepared: a plan that was made for few pairs would be kept for many.
    row = conn.execute(statement, asked, binary=True, prepare=False).fetchone()
    if row is None or row[0] is None:
        return Edges.none()
    found = np.array(row[0]) - 1
    return Edges(a[found], b[found], clamp(np.array(row[1], np.float32)))


def _edges(graph: NeighborGraph, rows: Sequence[tuple[str, str, float]]) -> Edges:
    """Rows as edges; a student that this copy does not know yet has a change of its own coming."""
    known = [
        (graph.index[a], graph.index[b], sim)
        for a, b, sim in rows
        if a in graph.index and b in graph.index
    ]
    return Edges(
        np.array([a for a, _, _ in known], np.int32),
        np.array([b for _, b, _ in known], np.int32),
        clamp(np.array([sim for _, _, sim in known], np.float32)),
    )


def _model() -> dict[str, sql.Composable]:
    """Literals, because the index is partial on them and a plan must be able to see that."""
    return {
        "model": sql.Literal(settings().model),
        "dimensions": sql.Literal(settings().embedding_dimensions),
    }
