"""Nightly: measure the neighbour graph."""

from dataclasses import asdict

import dramatiq
import structlog

from actors.broker import broker
from actors.scheduled_jobs import timed
from workers import check_neighbors as work
from workers.queues import Queue

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
@timed
def check_neighbors() -> None:
    """Log the figures, and keep them for the metrics."""
    quality = work.check_neighbors()
    work.store_check(quality)
    log.info("neighbors_checked", **asdict(quality))
