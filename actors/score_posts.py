"""Every ten minutes: how engaging each post is."""

import dramatiq
import structlog

from actors.broker import broker
from actors.scheduled_jobs import timed
from workers.core.vocabulary import Queue
from workers.users import score_posts as work

log = structlog.get_logger()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
@timed
def score_posts() -> None:
    """Sum up the actions."""
    log.info("posts_scored", changed=work.score_posts())
