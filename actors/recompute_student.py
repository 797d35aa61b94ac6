"""A student's loans or books changed: rebuild the profile and the embedding."""

import dramatiq

from actors.broker import broker
from actors.wake import send, wakes
from workers import recompute_student as work
from workers.freshness import Kind
from workers.queues import Queue


@wakes(Kind.student_embedding)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def recompute_student(student_id: str) -> None:
    """Recompute this student and others that are stale, then wake their neighbours."""
    send(work.recompute_student(student_id))
