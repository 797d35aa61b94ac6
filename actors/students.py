"""Students: the profile and the embedding of each, and every one again at night."""

from uuid import UUID

import dramatiq
import structlog

from actors.broker import broker
from actors.notify import handles, notify
from workers.core.vocabulary import Kind, Queue
from workers.jobs.schedules import leased_firing
from workers.students import recompute, refresh

log = structlog.get_logger()


@handles(Kind.student_embedding)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def recompute_student(student_id: str) -> None:
    """Recompute this student and others that are stale, then notify their neighbours."""
    notify(recompute.recompute_student(student_id))


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def refresh_students(firing_id: str) -> None:
    """Mark every student stale, nightly; the reconciler feeds them to the workers."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            log.info("students_raised", count=refresh.refresh_students())
