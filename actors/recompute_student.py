"""A student's loans or books changed: rebuild the profile and the embedding."""

import dramatiq

from actors.broker import broker
from actors.notify import send, wakes
from workers.core.vocabulary import Kind, Queue
from workers.students import recompute as work


@wakes(Kind.student_embedding)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def recompute_student(student_id: str) -> None:
    """Recompute this student and others that are stale, then wake their neighbours."""
    send(work.recompute_student(student_id))
