"""The graph of students: its updates, its rebuild, its check and its index."""

from dataclasses import asdict
from uuid import UUID

import dramatiq
import structlog

from actors.broker import broker
from actors.notify import handles, notify
from workers.core.stores import connect
from workers.core.vocabulary import Kind, Queue
from workers.jobs.schedules import leased_firing
from workers.neighbors import check, hnsw_index, rebuild, update

# A rebuild of a large population takes as long as it takes; its run says how it goes.
REBUILD_LIMIT_MS = 12 * 3600 * 1000
# Building an index over a large population takes minutes and blocks nobody.
INDEX_LIMIT_MS = 3600 * 1000

log = structlog.get_logger()


@handles(Kind.student_neighbors)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def update_neighbors(student_id: str) -> None:
    """Update the lists of this student, whose embedding changed, and of others that are stale."""
    notify(update.update_neighbors(student_id))


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=REBUILD_LIMIT_MS)
def rebuild_neighbors(run_id: str) -> None:
    """Begin this run over the whole graph, or go on with it."""
    rebuild.rebuild_neighbors(UUID(run_id))


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def check_neighbors(firing_id: str) -> None:
    """Measure the graph, nightly: log the figures, and keep them for the metrics."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            quality = check.check_neighbors()
            check.store_check(quality)
            log.info("neighbors_checked", **asdict(quality))


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=INDEX_LIMIT_MS)
def index_vectors(firing_id: str) -> None:
    """Build the index if it is needed and missing, hourly, on a connection of its own."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            with connect() as conn:
                hnsw_index.index_vectors(conn)
