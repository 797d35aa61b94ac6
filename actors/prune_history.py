"""Nightly: delete history older than the retention."""

import dramatiq
import structlog

from actors.broker import broker
from actors.scheduled_jobs import timed
from workers.core.vocabulary import Queue
from workers.jobs import history as work

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
@timed
def prune_history() -> None:
    """Delete old attempts, events and firings."""
    log.info("history_pruned", **work.prune_history())
