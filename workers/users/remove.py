"""What is left of a deleted user once the rows are gone: the copy of the vector in Redis."""

from collections.abc import Collection

import psycopg
import redis
import structlog
from psycopg_pool import PoolTimeout

from workers.core.queries import query
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification
from workers.users.cache import announce

READ_CLOCK = query("users/remove.read_clock")

log = structlog.get_logger()


def remove_user(key: str) -> list[Notification]:
    """Take the vectors of deleted users out of Redis; while it is down they are put off.

    Returns:
        Messages for users that were deleted once more meanwhile.
    """
    return attempt(Kind.user_removal, key, remove_batch) or []


def hide_users(user_ids: Collection[str]) -> None:
    """Take the vectors of users out of Redis right after their deletion, if it can be done now.

    `remove_user` does it again, and until it could.
    """
    if not user_ids:
        return
    try:
        _hide(user_ids)
    except (redis.RedisError, psycopg.Error, PoolTimeout) as error:
        log.warning("deleted_users_not_hidden", users=len(user_ids), error=str(error))


def remove_batch(batch: Batch) -> Outcome:
    """Remove the users of one claimed batch; nothing of them stays in the ledger."""
    _hide(batch.claims)
    with transaction() as conn:
        ours = freshness.confirm_lease(conn, batch, batch.claims)
        again = freshness.mark_done(conn, batch, ours)
        freshness.forget_keys(conn, (Kind.user_removal,), set(ours) - set(again))
    return Outcome(done=ours, notifications=freshness.notifications_of(Kind.user_removal, again))


def _hide(user_ids: Collection[str]) -> None:
    with connection() as conn:
        ((now,),) = conn.execute(READ_CLOCK)
    announce(dict.fromkeys(user_ids, now))
