"""Documents: runs that are cut into batches, the batches, and keys of documents that are gone."""

from collections.abc import Sequence
from uuid import UUID

import dramatiq
import redis
import structlog

from actors.broker import broker
from workers.core.vocabulary import Queue
from workers.documents import batch, cleanup, plan

# A slow provider may take minutes for a batch, and a walk over millions of keys does: a batch's
# lease is kept meanwhile, and a cleanup's run says how it goes.
TIME_LIMIT_MS = 3600 * 1000

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def precompute_documents(run_id: str) -> None:
    """Plan some pages, send what is due, and come back for more behind the others in the queue."""
    step = plan.plan_documents(UUID(run_id))
    send_batches(run_id, step.batches)
    if step.more:
        precompute_documents.send(run_id)


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=TIME_LIMIT_MS)
def precompute_batch(run_id: str, batch_no: int) -> None:
    """Read this batch, embed what changed, store it; then send the next ones."""
    send_batches(run_id, batch.precompute_batch(UUID(run_id), batch_no) or [])


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=TIME_LIMIT_MS)
def cleanup_documents(run_id: str) -> None:
    """Take keys of documents that are gone out of the feature store: begin this run or go on."""
    cleanup.cleanup_documents(UUID(run_id))


def send_batches(run_id: str, batch_nos: Sequence[int]) -> None:
    """Send a message per batch; if Redis is down the reconciler sends the run later."""
    try:
        for batch_no in batch_nos:
            precompute_batch.send(run_id, batch_no)
    except redis.RedisError as error:
        log.warning("batches_not_sent", run_id=run_id, count=len(batch_nos), error=str(error))
