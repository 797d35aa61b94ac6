"""A run over the documents: cut it into batches, and send those that are due."""

from uuid import UUID

import dramatiq

from actors.broker import broker
from actors.precompute_batch import send_batches
from workers.documents import plan as work


@dramatiq.actor(queue_name="batch", broker=broker)
def precompute_documents(run_id: str) -> None:
    """Plan some pages, send what is due, and come back for more behind the others in the queue."""
    step = work.plan_documents(UUID(run_id))
    send_batches(run_id, step.batches)
    if step.more:
        precompute_documents.send(run_id)
