"""Nightly: look at every student again."""

import dramatiq
import structlog

from actors.broker import broker
from actors.scheduled_jobs import timed
from workers.core.vocabulary import Queue
from workers.students import refresh as work

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
@timed
def refresh_students() -> None:
    """Raise every student; the reconciler feeds them to the workers."""
    log.info("students_raised", count=work.refresh_students())
