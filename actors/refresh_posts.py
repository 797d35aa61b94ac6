"""Nightly: embed posts of another model anew."""

import dramatiq
import structlog

from actors.broker import broker
from actors.scheduled_jobs import timed
from workers.core.vocabulary import Queue
from workers.users import refresh_posts as work

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
@timed
def refresh_posts() -> None:
    """Raise them; the reconciler feeds them to the workers."""
    log.info("posts_raised", count=work.refresh_posts())
