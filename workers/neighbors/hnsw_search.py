"""Search by the HNSW index of Postgres: the nearest students, and the lists around them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psycopg
from psycopg import sql

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.neighbors.graph import NeighborGraph
from workers.neighbors.pair_similarity import clamp, current_model
from workers.neighbors.topk_lists import Edges, Indexes

SET_EF_SEARCH = query("neighbors/hnsw_search.set_ef_search")
SEARCH_INDEX = query("neighbors/hnsw_search.search_index")

# A moved student is offered to the lists of this many students around it: in whose list it belongs
# is often not among its own nearest. Of 50, 75 and 100 these found 92, 98 and 99 %.
SURROUNDINGS = 100
# Postgres searches with one core for each.
SEARCH_CONNECTIONS = 2


def search_hnsw(graph: NeighborGraph, moved: Indexes) -> Edges:
    """Find the nearest of each moved student by the index, its surroundings included."""
    count = max(SURROUNDINGS, graph.depth)
    shares = [share for share in np.array_split(moved, SEARCH_CONNECTIONS) if len(share)]

    def search(share: Indexes) -> Edges:
        with transaction() as conn:
            return search_hnsw_in(conn, graph, share, count)

    near = Edges.none()
    with ThreadPoolExecutor(SEARCH_CONNECTIONS) as threads:
        for found in threads.map(search, shares):
            near = near.join(found)
    return near.where(near.sim >= settings().min_similarity)


def search_hnsw_in(
    conn: psycopg.Connection, graph: NeighborGraph, queries: Indexes, count: int
) -> Edges:
    """Find the nearest `count` students of each query, in the caller's transaction."""
    statement = sql.SQL(SEARCH_INDEX).format(**current_model())
    has_list = graph.members[queries, 0] >= 0
    near = Edges.none()
    for known, some in ((True, queries[has_list]), (False, queries[~has_list])):
        if len(some):
            around = max(ef_search(graph.size, known=known), count + 1)
            conn.execute(SET_EF_SEARCH, {"ef_search": around})
            asked = {"keys": graph.names(some), "limit": count + 1}
            rows = conn.execute(statement, asked, binary=True)
            near = near.join(_edges(graph, rows.fetchall()))
    return near


def ef_search(students: int, *, known: bool) -> int:
    """Choose how far to look around in the index, for a recall of 0.99.

    It is 40 at 10,000 students and 100 at 100,000, and three times that for those without a list.
    """
    near = 40 * (max(students, 1) / 10_000) ** 0.4 * (1 if known else 3)
    return int(np.clip(near, 40, 1000))


def _edges(graph: NeighborGraph, rows: Sequence[tuple[str, str, float]]) -> Edges:
    """Turn rows into edges, without students that this copy does not know.

    Those have a change of their own coming.
    """
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
