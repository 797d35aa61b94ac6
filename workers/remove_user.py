"""What is left of a deleted user once the rows are gone: the copy of the vector in Redis."""

from workers import freshness
from workers.attempt import Outcome, attempt
from workers.freshness import Batch, Kind, WakeUp
from workers.queries import query
from workers.stores import connection, transaction
from workers.user_cache import announce

READ_CLOCK = query("remove_user.read_clock")


def remove_user(key: str) -> list[WakeUp]:
    """Take the vectors of deleted users out of Redis; while it is down they are put off.

    Returns:
        Messages for users that were deleted once more meanwhile.
    """
    return attempt(Kind.user_removal, key, remove_batch) or []


def remove_batch(batch: Batch) -> Outcome:
    """The work on one claimed batch. Nothing of it stays in the ledger."""
    with connection() as conn:
        ((now,),) = conn.execute(READ_CLOCK)
    announce(dict.fromkeys(batch.claims, now))
    with transaction() as conn:
        ours = freshness.confirm_lease(conn, batch, batch.claims)
        again = freshness.mark_done(conn, batch, ours)
        freshness.forget_keys(conn, (Kind.user_removal,), set(ours) - set(again))
    return Outcome(done=ours, wake_ups=freshness.wake_ups(Kind.user_removal, again))
