"""Compare pairs of students exactly, in Postgres, which has their vectors."""

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from workers.core.metrics import NEIGHBORS_OUT_OF_RANGE
from workers.core.queries import query
from workers.core.settings import settings
from workers.neighbors.graph import NeighborGraph
from workers.neighbors.topk_lists import Edges, Similarities, pair_keys

SET_ONE_PASS = query("neighbors/pair_similarity.set_one_pass")
COMPARE_PAIRS = query("neighbors/pair_similarity.compare_pairs")

# From so many pairs per student on they are compared in one pass over all vectors: of 100,000, it
# takes 120 ms and 1.3 us a pair, and to look up both vectors of a pair 4 us.
ONE_PASS_SHARE = 0.4
# Pairs of one statement: 10 MB of names and numbers on the way there and back.
MAX_PAIRS = 500_000
# A product of vectors of length 1 may exceed 1 by so much.
ROUNDING = 1e-5


def compare_in_one_pass(conn: psycopg.Connection, graph: NeighborGraph, pairs: int) -> None:
    """Let the rest of the transaction pass over all vectors, if for so many pairs it takes less."""
    if pairs > ONE_PASS_SHARE * graph.size:
        conn.execute(SET_ONE_PASS)


def compare_candidates(conn: psycopg.Connection, graph: NeighborGraph, candidates: Edges) -> Edges:
    """Compare each edge of `candidates`; those whose ends are similar enough for a list."""
    near = compare_pairs(conn, graph, pair_keys(candidates.owner, candidates.member))
    return near.where(near.sim >= settings().min_similarity)


def compare_pairs(
    conn: psycopg.Connection, graph: NeighborGraph, pairs: NDArray[np.int64]
) -> Edges:
    """Compare pairs as `pair_keys` numbers them; a pair is left out if one has no vector."""
    pairs = np.sort(pairs)
    found = Edges.none()
    for start in range(0, len(pairs), MAX_PAIRS):
        found = found.join(_compare(conn, graph, pairs[start : start + MAX_PAIRS]))
    return found


def clamp(sims: Similarities) -> Similarities:
    """Into [0, 1]: rounding makes a vector a little more than itself; anything else is counted."""
    wrong = int(np.count_nonzero(np.abs(sims) > 1 + ROUNDING))
    if wrong:
        NEIGHBORS_OUT_OF_RANGE.add(wrong)
    return np.clip(sims, 0, 1)


def _compare(conn: psycopg.Connection, graph: NeighborGraph, pairs: NDArray[np.int64]) -> Edges:
    """Compare sorted pairs in one statement."""
    a, b = (pairs >> 32).astype(np.int32), pairs.astype(np.int32)
    owners, starts = np.unique(a, return_index=True)
    others = "\n".join(graph.names(b))
    if others.count("\n") != len(b) - 1:
        raise ValueError("an id holds a line break")
    statement = sql.SQL(COMPARE_PAIRS).format(**current_model())
    asked = {"owners": graph.names(owners), "starts": (starts + 1).tolist(), "others": others}
    # Not prepared: a plan that was made for few pairs would be kept for many.
    row = conn.execute(statement, asked, binary=True, prepare=False).fetchone()
    if row is None or row[0] is None:
        return Edges.none()
    found = np.array(row[0]) - 1
    return Edges(a[found], b[found], clamp(np.array(row[1], np.float32)))


def current_model() -> dict[str, sql.Composable]:
    """Give the model as literals: the index is partial on them, and a plan must see that."""
    return {
        "model": sql.Literal(settings().model),
        "dimensions": sql.Literal(settings().embedding_dimensions),
    }
