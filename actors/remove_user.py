"""A user was deleted: take the copy of the vector out of Redis."""

import dramatiq

from actors.broker import broker
from actors.notify import handles, notify
from workers.core.vocabulary import Kind, Queue
from workers.users import remove as work


@handles(Kind.user_removal)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def remove_user(user_id: str) -> None:
    """Remove this user and others that were deleted."""
    notify(work.remove_user(user_id))
