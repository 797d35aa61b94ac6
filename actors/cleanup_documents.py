"""Keys of documents that are gone leave the feature store: nightly, or when somebody asks."""

from uuid import UUID

import dramatiq

from actors.broker import broker
from workers.documents import cleanup as work

# A walk over millions of keys takes minutes; its run says how it goes.
TIME_LIMIT_MS = 3600 * 1000


@dramatiq.actor(queue_name="batch", broker=broker, time_limit=TIME_LIMIT_MS)
def cleanup_documents(run_id: str) -> None:
    """Begin this run or go on with it."""
    work.cleanup_documents(UUID(run_id))
