"""A batch of documents: read, embed what changed, store."""

from collections.abc import Sequence
from uuid import UUID

import dramatiq
import redis
import structlog

from actors.broker import broker
from workers.documents import batch as work

# A slow provider may take minutes for a batch; its lease is kept meanwhile.
TIME_LIMIT_MS = 3600 * 1000

log = structlog.get_logger()


@dramatiq.actor(queue_name="batch", broker=broker, time_limit=TIME_LIMIT_MS)
def precompute_batch(run_id: str, batch_no: int) -> None:
    """Work on this batch, then send the next ones."""
    send_batches(run_id, work.precompute_batch(UUID(run_id), batch_no) or [])


def send_batches(run_id: str, batch_nos: Sequence[int]) -> None:
    """Send a message per batch; if Redis is down the reconciler sends the run later."""
    try:
        for batch_no in batch_nos:
            precompute_batch.send(run_id, batch_no)
    except redis.RedisError as error:
        log.warning("batches_not_sent", run_id=run_id, count=len(batch_nos), error=str(error))
