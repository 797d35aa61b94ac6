"""Upkeep of the house: history that is older than its retention."""

from uuid import UUID

import dramatiq
import structlog

from actors.broker import broker
from workers.core.vocabulary import Queue
from workers.jobs import history
from workers.jobs.schedules import leased_firing
from workers.readers.store import forget_unused

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def prune_history(firing_id: str) -> None:
    """Delete old attempts, events and firings, nightly."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            log.info("history_pruned", **history.prune_history())


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def forget_readers(firing_id: str) -> None:
    """Delete the lists of readers who have not come back for thirty days, nightly."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            log.info("readers_forgotten", readers=forget_unused())
