"""Hourly: build the vector index once the population has outgrown exact search."""

import dramatiq

from actors.broker import broker
from actors.scheduled_jobs import timed
from workers.core.stores import connect
from workers.core.vocabulary import Queue
from workers.neighbors import hnsw_index as work

# Building over a large population takes minutes and blocks nobody.
TIME_LIMIT_MS = 3600 * 1000


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=TIME_LIMIT_MS)
@timed
def index_vectors() -> None:
    """Build the index if it is needed and missing, on a connection of its own."""
    with connect() as conn:
        work.index_vectors(conn)
