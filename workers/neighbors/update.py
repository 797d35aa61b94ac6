"""Neighbour lists after students moved: their own lists, and both directions of every edge.

One worker writes the graph at a time, so batches take effect one after the other and cannot
deadlock; the expensive comparison runs before the lock, and is corrected for what others did until
then. When every batch is through, the graph equals one computed from scratch: of two students that
moved, the batch that came later has seen both.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray

from workers.core.errors import LostChangeError
from workers.core.process import per_process
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification
from workers.neighbors.changes import lock_graph, record_change, updater_lock
from workers.neighbors.edges import write_edges
from workers.neighbors.graph import (
    NeighborGraph,
    delete_strays,
    has_other_models,
    read_vectors,
)
from workers.neighbors.hnsw_index import index_is_ready
from workers.neighbors.search import (
    Found,
    Pairs,
    compare,
    compare_again,
    find_around,
    find_exact,
    lists_holding,
    nearest,
    refill_around,
    search_around,
)
from workers.neighbors.strategy import Search, choose_search, max_students
from workers.neighbors.topk_lists import (
    Difference,
    Edges,
    Indexes,
    Similarities,
    compare_lists,
    occupied,
    rank,
    repair_lists,
)
from workers.neighbors.vacuum import VacuumClock

log = structlog.get_logger()

# A worker that is asked to stop has twenty seconds.
LOCK_HELD_S = 10.0


@dataclass(frozen=True)
class NewLists:
    """Lists by owner, as they are and as they shall be; `searched` ones were made from scratch."""

    owners: Indexes
    old: tuple[Indexes, Similarities]
    new: tuple[Indexes, Similarities]
    searched: NDArray[np.bool_]

    def difference(self) -> Difference:
        """Find the edges to write."""
        return compare_lists(self.owners, self.old, self.new)


class _Copy:
    """The process's copy of the graph, used by one thread at a time while one other waits."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.places = threading.BoundedSemaphore(2)
        self.graph: NeighborGraph | None = None
        self.vacuum = VacuumClock()


@per_process
def _copy() -> _Copy:
    return _Copy()


def update_neighbors(key: str) -> list[Notification]:
    """Bring the graph up to date with `key` and other students that moved, until none is left.

    Returns:
        Messages to send: more to do after `LOCK_HELD_S` seconds. Nothing when another thread or
        process is about to do it.
    """
    if not _copy().places.acquire(blocking=False):
        # The thread that waits has not looked for due keys yet: it will find this one.
        return []
    try:
        with _copy().lock, connection() as conn, updater_lock(conn) as ours:
            return _work_until_done(conn, key) if ours else []
    finally:
        _copy().places.release()


def _work_until_done(conn: psycopg.Connection, key: str) -> list[Notification]:
    ends_at = time.monotonic() + LOCK_HELD_S
    notifications: list[Notification] = []
    while time.monotonic() < ends_at:
        found = attempt(Kind.student_neighbors, key, update_batch)
        if found is None:
            return notifications
        notifications += found
        copy = _copy()
        if copy.graph is not None:
            copy.vacuum.count(conn, copy.graph.moved, copy.graph.size)
    return [*notifications, Notification(Kind.student_neighbors, key)]


def update_batch(batch: Batch) -> Outcome:
    """Work on one claimed batch; the caller holds the process's copy."""
    try:
        return _update(batch)
    except BaseException:
        # The copy may be ahead of what is stored now.
        forget_graph()
        raise


def load_graph() -> None:
    """Load the process's copy ahead of the first batch."""
    with _copy().lock, connection() as conn:
        _current_graph(conn)


def forget_graph() -> None:
    """Drop the process's copy; the next batch loads it anew."""
    _copy().graph = None


def _update(batch: Batch) -> Outcome:
    with connection() as conn:
        graph = _current_graph(conn)
        vectors = read_vectors(conn, sorted(batch.claims))
    # Without a vector of the current model: out of every list, and no list of its own.
    gone = [key for key in batch.claims if key not in vectors and key in graph.index]
    moved = np.concatenate([graph.move(vectors), graph.blank(gone)])
    # The expensive part, before the lock to write.
    seen = compare(graph, moved) if graph.search is Search.exact else search_around(graph, moved)
    with transaction() as conn:
        lock_graph(conn)
        touched = graph.sync(conn)
        ours = freshness.confirm_lease(conn, batch, batch.claims)
        if graph.mixed_models:
            graph.delete_lists(conn, ours)
        moved, seen = _keep_ours(graph, ours, moved, seen)
        held = lists_holding(graph, moved)
        if isinstance(seen, Edges):
            # Whoever moved, came or went since the search is looked at again.
            seen = seen.where(~np.isin(seen.member, touched))
            found = find_around(conn, graph, moved, held, seen, touched)
        else:
            found = find_exact(graph, moved, compare_again(graph, moved, seen, touched))
        lists = _new_lists(conn, graph, moved, held, found)
        changed = graph.names(lists.owners)
        events = {key: batch.claims[key].last_event for key in ours}
        write_edges(conn, graph.ids, lists.difference(), _causes(graph, lists, moved, events))
        seq = record_change(conn, moved=graph.names(moved), changed=changed)
        again = freshness.mark_done(conn, batch, ours)
    graph.set_lists(lists.owners, *lists.new)
    graph.seq = seq
    graph.moved = len(moved)
    return Outcome(
        done=ours, notifications=freshness.notifications_of(Kind.student_neighbors, again)
    )


def _current_graph(conn: psycopg.Connection) -> NeighborGraph:
    graph = _copy().graph
    if graph is not None and not graph.outdated:
        try:
            graph.sync(conn)
        except LostChangeError as error:
            log.warning("graph_copy_lost", seq=error.seq)
        else:
            outgrown = graph.size > max_students(graph.search) and (
                graph.search is Search.exact or index_is_ready(conn)
            )
            if not outgrown or choose_search(conn) is graph.search:
                return graph
    if has_other_models(conn):
        with conn.transaction():
            lock_graph(conn)
            delete_strays(conn)
    graph = _copy().graph = None  # or there would be two of them for a while
    loaded = _copy().graph = NeighborGraph(conn, choose_search(conn))
    return loaded


def _keep_ours(
    graph: NeighborGraph,
    ours: Sequence[str],
    moved: Indexes,
    seen: Similarities | Edges,
) -> tuple[Indexes, Similarities | Edges]:
    """Leave out students whose lease went to another worker, or who have been deleted."""
    keep = np.isin(moved, [graph.index[key] for key in ours if key in graph.index])
    kept = moved[keep]
    return kept, seen.where(np.isin(seen.owner, kept)) if isinstance(seen, Edges) else seen[keep]


def _new_lists(
    conn: psycopg.Connection, graph: NeighborGraph, moved: Indexes, held: Pairs, found: Found
) -> NewLists:
    """Make the lists of moved students and of everyone whose list they enter, leave or stay in."""
    depth = graph.depth
    is_moved = np.zeros(graph.size, bool)
    is_moved[moved] = True
    others = np.union1d(found.offers.owner, held.owners).astype(np.int32)
    repaired = repair_lists(
        graph.members[others],
        graph.sims[others],
        is_moved,
        _by_row(found.offers, others),
        least=settings().min_members,
        threshold=settings().min_similarity,
    )
    short = others[repaired.short]
    if len(short):
        left = occupied(short, repaired.members[repaired.short], repaired.sims[repaired.short])
        refill = (
            nearest(short, compare(graph, short), depth)
            if graph.search is Search.exact
            else refill_around(conn, graph, short, left)
        )
        repaired.members[repaired.short], repaired.sims[repaired.short] = rank(
            _by_row(refill, short), len(short), depth
        )
    order = np.argsort(moved)
    own_members, own_sims = rank(_by_row(found.own, moved[order]), len(moved), depth)
    owners = np.concatenate([moved[order], others])
    return NewLists(
        owners,
        (graph.members[owners], graph.sims[owners]),
        (
            np.concatenate([own_members, repaired.members]),
            np.concatenate([own_sims, repaired.sims]),
        ),
        np.concatenate([np.ones(len(moved), bool), repaired.short]),
    )


def _by_row(edges: Edges, owners: Indexes) -> Edges:
    """Make edges whose owners are positions in the sorted `owners`."""
    return Edges(np.searchsorted(owners, edges.owner).astype(np.int32), edges.member, edges.sim)


def _causes(
    graph: NeighborGraph,
    lists: NewLists,
    moved: Indexes,
    events: Mapping[str, UUID | None],
) -> dict[int, UUID | None]:
    """Name the event behind edges: the moved student's.

    For a list that was searched again it is that of one who left it.
    """
    by_index = {int(index): events[graph.ids[index]] for index in moved}
    causes = dict(by_index)
    owners, members = lists.owners[lists.searched], lists.old[0][lists.searched]
    for owner, row in zip(owners.tolist(), members.tolist(), strict=True):
        if owner not in causes:
            causes[owner] = next((by_index[m] for m in row if m in by_index), None)
    return causes
