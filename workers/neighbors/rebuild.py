"""The whole neighbour graph from scratch, exactly, beside the readers and the updates.

Lists are compared with what is stored and only edges that differ are written, each list in one
transaction, so that a reader sees the old list or the new one. Students that move meanwhile have
their lists written by their own updates; the rebuild leaves those alone and raises them once more
together with each block that it may have computed with their old vectors.
"""

import argparse
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from workers.core.boot import open_process
from workers.core.errors import RunActiveError
from workers.core.logs import configure_logging
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.jobs.runs import RunKind, RunLease, create_run, leased_run, read_run
from workers.ledger.freshness import mark_stale, resend_stale
from workers.neighbors.blocked_knn import blocked_knn
from workers.neighbors.changes import (
    lock_graph,
    newest_change,
    read_changes,
    record_change,
)
from workers.neighbors.edges import write_edges
from workers.neighbors.graph import (
    delete_strays,
    read_ids,
    read_lists,
    read_vectors,
)
from workers.neighbors.pair_similarity import clamp
from workers.neighbors.topk_lists import Edges, Indexes, Similarities, compare_lists, rank

LOG_REBUILD = query("neighbors/rebuild.log_rebuild")

WRITE_LISTS = 1000


@dataclass
class _Rebuild:
    """Students by row, and who has moved or gone since the rebuild began.

    `to_raise` are those that moved since they were raised last on behalf of the present block.
    """

    run_id: UUID
    ids: list[str]
    seq: int
    index: dict[str, int] = field(init=False)
    moved: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    to_raise: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.index = {student_id: row for row, student_id in enumerate(self.ids)}

    def follow(self, conn: psycopg.Connection) -> None:
        """Note what updates and deletions have committed."""
        for change in read_changes(conn, self.seq):
            self.seq = change.seq
            self.moved |= set(change.moved)
            self.to_raise |= set(change.moved)
            self.removed = (self.removed | set(change.removed)) - set(change.moved)

    def row_of(self, student_id: str) -> int:
        """Find the student's row; one that came after the beginning gets the next one."""
        if student_id not in self.index:
            self.index[student_id] = len(self.ids)
            self.ids.append(student_id)
        return self.index[student_id]


def rebuild_neighbors(run_id: UUID, on_progress: Callable[[UUID], None] = lambda _: None) -> None:
    """Rebuild the graph, going on where a killed worker left off.

    Memory stays within about 400 MB at 100,000 students of 1,536 dimensions.

    Args:
        on_progress: called with the run's id whenever its progress has been stored.

    Students that moved meanwhile are raised; the reconciler sends them.

    Raises:
        psycopg.Error: a store failed; the run is resumed later.
    """
    with leased_run(run_id) as lease:
        if lease is not None:
            _rebuild(lease, on_progress)


def _rebuild(lease: RunLease, on_progress: Callable[[UUID], None]) -> None:
    with connection() as conn:
        conn.execute(LOG_REBUILD, {"run_id": lease.run_id})
        seq = newest_change(conn)
        ids = read_ids(conn)
    count = len(ids)
    first = bisect_right(ids, lease.position) if lease.position is not None else 0
    rebuild = _Rebuild(lease.run_id, ids, seq)
    depth = settings().max_neighbors + settings().neighbor_slack
    progress_from = first / count if count else 0.0
    done = first
    blocks = blocked_knn(
        _reader(rebuild),
        count,
        depth,
        settings().min_similarity,
        held_rows=settings().rebuild_block_rows,
        first=first,
    )
    for share, start, end, members, sims in blocks:
        rebuild.to_raise |= rebuild.moved
        for low in range(start, end, WRITE_LISTS):
            high = min(low + WRITE_LISTS, end)
            rows = slice(low - start, high - start)
            _write_lists(rebuild, np.arange(low, high, dtype=np.int32), members[rows], sims[rows])
        done = max(done, end)
        lease.report(
            total=count,
            done=done,
            progress=progress_from + (1 - progress_from) * share,
            position=ids[end - 1] if end > start else None,
        )
        on_progress(lease.run_id)
    with transaction() as conn:
        lock_graph(conn)
        delete_strays(conn)


def _reader(rebuild: _Rebuild) -> Callable[[int, int], NDArray[np.float32]]:
    dimensions = settings().embedding_dimensions

    def read_rows(start: int, end: int) -> NDArray[np.float32]:
        block = np.zeros((end - start, dimensions), np.float32)
        with connection() as conn:
            for student_id, vector in read_vectors(conn, rebuild.ids[start:end]).items():
                block[rebuild.index[student_id] - start] = vector
        return block

    return read_rows


def _write_lists(rebuild: _Rebuild, owners: Indexes, members: Indexes, sims: Similarities) -> None:
    """Bring the stored lists of `owners` to what was computed, in one transaction."""
    depth = members.shape[1]
    with transaction() as conn:
        lock_graph(conn)
        rebuild.follow(conn)
        away = rebuild.moved | rebuild.removed
        still = np.array([rebuild.ids[owner] not in away for owner in owners.tolist()], bool)
        owners, members, sims = owners[still], members[still], sims[still]
        stored = _stored(read_lists(conn, _names(rebuild, owners)), rebuild, owners)
        is_away = np.zeros(len(rebuild.ids), bool)
        is_away[[rebuild.index[gone] for gone in away if gone in rebuild.index]] = True
        new = _without_away(members, sims, stored, is_away)
        # Where too many have left, someone beyond the computed depth may belong: search again.
        unsure = (members[:, -1] >= 0) & ((new[0] >= 0).sum(axis=1) < settings().min_members)
        again = (rebuild.to_raise | set(_names(rebuild, owners[unsure]))) - rebuild.removed
        mark_stale(conn, Kind.student_neighbors, dict.fromkeys(again, rebuild.run_id))
        rebuild.to_raise = set()
        longest = max(depth, int(np.bincount(stored.owner).max(initial=0)))
        old_members, old_sims = rank(stored, len(owners), longest)
        padding = ((0, 0), (0, longest - depth))
        difference = compare_lists(
            owners[~unsure],
            (old_members[~unsure], old_sims[~unsure]),
            (
                np.pad(new[0][~unsure], padding, constant_values=-1),
                np.pad(new[1][~unsure], padding, constant_values=-np.inf),
            ),
        )
        write_edges(conn, rebuild.ids, difference, dict.fromkeys(owners.tolist(), rebuild.run_id))
        edges = difference.deleted.join(difference.corrected).join(difference.inserted)
        if len(edges):
            changed = _names(rebuild, np.unique(edges.owner))
            rebuild.seq = record_change(conn, changed=changed)


def _without_away(
    members: Indexes, sims: Similarities, stored: Edges, is_away: NDArray[np.bool_]
) -> tuple[Indexes, Similarities]:
    """Merge the computed lists with students that moved, as their own updates placed them.

    Only above a list's last computed place, because below it others may belong.
    """
    depth = members.shape[1]
    last = np.where(members[:, -1] >= 0, sims[:, -1], -np.inf)
    rows, places = np.nonzero((members >= 0) & ~is_away[members])
    computed = Edges(rows.astype(np.int32), members[rows, places], clamp(sims[rows, places]))
    placed = stored.where(is_away[stored.member] & (stored.sim >= last[stored.owner]))
    return rank(computed.join(placed), len(members), depth)


def _stored(rows: Iterable[tuple[str, str, float]], rebuild: _Rebuild, owners: Indexes) -> Edges:
    """Read the stored lists as edges whose owner is a position in `owners`."""
    position = {owner: place for place, owner in enumerate(owners.tolist())}
    edges = [(position[rebuild.index[a]], rebuild.row_of(b), sim) for a, b, sim in rows]
    return Edges(
        np.array([a for a, _, _ in edges], np.int32),
        np.array([b for _, b, _ in edges], np.int32),
        np.array([sim for _, _, sim in edges], np.float32),
    )


def _names(rebuild: _Rebuild, rows: NDArray[np.int32]) -> list[str]:
    return [rebuild.ids[row] for row in rows.tolist()]


def _say(run_id: UUID) -> None:
    run = read_run(run_id)
    rate = f"{run.rate_per_s:.0f} students/s" if run.rate_per_s else "..."
    eta = f"{run.eta_s:.0f} s left" if run.eta_s else ""
    print(f"{run.progress:4.0%} {run.done}/{run.total} {rate} {eta}")  # noqa: T201


def main() -> int:
    """Run `python -m workers.neighbors.rebuild`: a run in this process, with progress."""
    argparse.ArgumentParser(description="Rebuild the neighbour graph exactly.").parse_args()
    configure_logging(sys.stderr)
    with open_process("command"):
        try:
            run_id = create_run(RunKind.rebuild_neighbors)
        except RunActiveError as error:
            print(f"{error}: {error.run_id}", file=sys.stderr)  # noqa: T201
            return 2
        rebuild_neighbors(run_id, _say)
        resend_stale()
        _say(run_id)
        return 0 if read_run(run_id).state == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
