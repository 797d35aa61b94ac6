"""The whole neighbour graph from scratch: nightly, or when somebody asks."""

from uuid import UUID

import dramatiq

from actors.broker import broker
from workers.core.vocabulary import Queue
from workers.neighbors import rebuild as work

# A rebuild of a large population takes as long as it takes; its run says how it goes.
TIME_LIMIT_MS = 12 * 3600 * 1000


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=TIME_LIMIT_MS)
def rebuild_neighbors(run_id: str) -> None:
    """Begin this run or go on with it."""
    work.rebuild_neighbors(UUID(run_id))
