"""A post is new or differs: bring its vector up to date."""

import dramatiq

from actors.broker import broker
from actors.notify import handles, notify
from workers.core.vocabulary import Kind, Queue
from workers.users import posts as work


@handles(Kind.post_embedding)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def recompute_post(post_id: str) -> None:
    """Recompute the vectors of this post and of others that are stale."""
    notify(work.recompute_post(post_id))
