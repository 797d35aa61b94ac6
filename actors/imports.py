"""Imports: files that a librarian has looked at become facts, and go."""

from uuid import UUID

import dramatiq
import structlog

from actors.broker import broker
from actors.notify import notify
from workers.core.vocabulary import Queue
from workers.ingest import imports
from workers.jobs.schedules import leased_firing

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def import_file(run_id: str) -> None:
    """Import the file of this run, then notify the workers of what is stale."""
    notify(imports.run_import(UUID(run_id)))


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def prune_imports(firing_id: str) -> None:
    """Delete files that were looked at a day ago, hourly: they name children."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            log.info("imports_pruned", imports=imports.prune_imports())
