"""Students' neighbour lists: claim, search the whole batch in one statement, swap the rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import psycopg
from psycopg import sql

from workers import freshness
from workers.attempt import Outcome, attempt
from workers.freshness import Batch, Kind, WakeUp
from workers.metrics import NEIGHBORS_OUT_OF_RANGE
from workers.queries import query
from workers.settings import settings
from workers.stores import transaction

SEARCH_INDEX = query("update_neighbors.search_index")
SET_EF_SEARCH = query("update_neighbors.set_ef_search")
LOCK_MEMBERS = query("update_neighbors.lock_members")
DELETE_LISTS = query("update_neighbors.delete_lists")
COPY_EDGES = query("update_neighbors.copy_edges")

EF_SEARCH = 200
ROUNDING = 1e-6

Neighbors = list[tuple[str, float]]


def update_neighbors(key: str) -> list[WakeUp]:
    """Bring the neighbour lists of `key` and of other stale students up to date."""
    return attempt(Kind.student_neighbors, key, update_batch)


def update_batch(batch: Batch) -> Outcome:
    """Search for the claimed students and swap their lists in one transaction."""
    with transaction() as conn:
        found = search(conn, list(batch.claims))
    with transaction() as conn:
        ours = freshness.confirm_lease(conn, batch, batch.claims)
        members = _lock_members(conn, ours, found)
        conn.execute(DELETE_LISTS, {"keys": ours})
        with conn.cursor().copy(COPY_EDGES) as copy:
            copy.set_types(["text", "text", "float4", "uuid"])
            for a in ours:
                for b, sim in found.get(a, []) if a in members else []:
                    if b in members:
                        copy.write_row((a, b, sim, batch.claims[a].last_event))
        again = freshness.mark_done(conn, batch, ours)
    return Outcome(done=ours, wake_ups=freshness.wake_ups(Kind.student_neighbors, again))


def search(conn: psycopg.Connection, keys: Sequence[str]) -> dict[str, Neighbors]:
    """The nearest neighbours of each key among vectors of the current model, best first.

    Returns:
        Per key at most `max_neighbors` pairs of student and cosine similarity in
        [similarity_threshold, 1], never the key itself.
    """
    conn.execute(SET_EF_SEARCH, {"ef_search": max(EF_SEARCH, settings().max_neighbors + 1)})
    statement = sql.SQL(SEARCH_INDEX).format(
        model=sql.Literal(settings().model),
        dimensions=sql.Literal(settings().embedding_dimensions),
    )
    rows = conn.execute(statement, {"keys": list(keys), "limit": settings().max_neighbors + 1})
    return select_neighbors(rows)


def select_neighbors(rows: Iterable[tuple[str, str, float]]) -> dict[str, Neighbors]:
    """The best `max_neighbors` of each list that reach the threshold, clamped into [0, 1]."""
    lists: defaultdict[str, Neighbors] = defaultdict(list)
    for a, b, sim in rows:
        if abs(sim) > 1 + ROUNDING:
            NEIGHBORS_OUT_OF_RANGE.add(1)
        if sim >= settings().similarity_threshold and sim > 0:
            lists[a].append((b, min(sim, 1.0)))
    return {
        a: sorted(found, key=lambda pair: (-pair[1], pair[0]))[: settings().max_neighbors]
        for a, found in lists.items()
    }


def _lock_members(
    conn: psycopg.Connection, keys: Sequence[str], found: Mapping[str, Neighbors]
) -> set[str]:
    ids = set(keys).union(*([b for b, _ in pairs] for pairs in found.values()))
    return {student_id for (student_id,) in conn.execute(LOCK_MEMBERS, {"ids": sorted(ids)})}
