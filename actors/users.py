"""Users of a platform: their interests, their posts' vectors and scores, and who left."""

from uuid import UUID

import dramatiq
import structlog

from actors.broker import broker
from actors.notify import handles, notify
from workers.core.stores import connect
from workers.core.vocabulary import Kind, Queue
from workers.jobs.schedules import leased_firing
from workers.users import index, posts, recompute, remove, runs
from workers.users import refresh_posts as refresh
from workers.users import score_posts as scores

# However many users are due, a run goes on, and its progress says how it does; an index over
# many of them takes minutes and blocks nobody.
TIME_LIMIT_MS = 3600 * 1000

log = structlog.get_logger()


@handles(Kind.user_embedding)
@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def recompute_user(user_id: str) -> None:
    """Compute the interests of this user and of others that are due."""
    notify(recompute.recompute_user(user_id))


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=TIME_LIMIT_MS)
def recompute_users(run_id: str) -> None:
    """Begin this run over users that wait or were named, or go on with it."""
    runs.recompute_users(UUID(run_id))


@handles(Kind.post_embedding)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def recompute_post(post_id: str) -> None:
    """Recompute the vectors of this post and of others that are stale."""
    notify(posts.recompute_post(post_id))


@handles(Kind.user_removal)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def remove_user(user_id: str) -> None:
    """Take what this user and others that were deleted left in Redis out of it."""
    notify(remove.remove_user(user_id))


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def refresh_posts(firing_id: str) -> None:
    """Mark posts of another model stale, nightly; the reconciler feeds them to the workers."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            log.info("posts_raised", count=refresh.refresh_posts())


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def score_posts(firing_id: str) -> None:
    """Sum up how engaging each post is, every ten minutes."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            log.info("posts_scored", changed=scores.score_posts())


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=TIME_LIMIT_MS)
def index_users(firing_id: str) -> None:
    """Build the index over users' vectors once there are enough, and anew when they double."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            with connect() as conn:
                index.index_users(conn)
