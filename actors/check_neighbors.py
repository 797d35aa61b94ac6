"""Nightly: measure the neighbour graph."""

from dataclasses import asdict

import dramatiq
import structlog

from actors.broker import broker
from actors.scheduled_jobs import timed
from workers.core.vocabulary import Queue
from workers.neighbors import check as work

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
@timed
def check_neighbors() -> None:
    """Log the figures, and keep them for the metrics."""
    quality = work.check_neighbors()
    work.store_check(quality)
    log.info("neighbors_checked", **asdict(quality))
