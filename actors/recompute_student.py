"""A student's loans or books changed: rebuild the profile and the embedding."""

import dramatiq

from actors.broker import broker
from actors.notify import handles, notify
from workers.core.vocabulary import Kind, Queue
from workers.students import recompute as work


@handles(Kind.student_embedding)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def recompute_student(student_id: str) -> None:
    """Recompute this student and others that are stale, then notify their neighbours."""
    notify(work.recompute_student(student_id))
