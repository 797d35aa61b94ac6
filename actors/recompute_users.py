"""Users' interests: every two hours, when somebody asks, and once more where it failed."""

from uuid import UUID

import dramatiq

from actors.broker import broker
from actors.notify import handles, notify
from workers.core.vocabulary import Kind, Queue
from workers.users import recompute as work

# However many users are due, a run goes on; its progress says how it does.
TIME_LIMIT_MS = 3600 * 1000


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=TIME_LIMIT_MS)
def recompute_users(run_id: str) -> None:
    """Begin this run or go on with it."""
    work.recompute_users(UUID(run_id))


@handles(Kind.user_embedding)
@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def recompute_user(user_id: str) -> None:
    """Compute the interests of this user and of others that are due."""
    notify(work.recompute_user(user_id))
