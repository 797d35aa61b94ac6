"""A student's embedding changed: bring the neighbour lists up to date."""

import dramatiq

from actors.broker import broker
from actors.notify import handles, notify
from workers.core.vocabulary import Kind, Queue
from workers.neighbors import update as work


@handles(Kind.student_neighbors)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def update_neighbors(student_id: str) -> None:
    """Update the lists of this student and of others that are stale."""
    notify(work.update_neighbors(student_id))
