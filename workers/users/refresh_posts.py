"""Nightly: posts whose vectors are of another model than the present one are embedded anew.

A vector that was given cannot be made anew: it counts as one of the present model from then on.
"""

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.ledger.freshness import mark_stale

FIND_OUTDATED = query("users/refresh_posts.find_outdated")

SLICE = 5000


def refresh_posts() -> int:
    """Raise them, in slices; the reconciler sends the work, and users follow.

    Returns:
        The number of posts raised.
    """
    after, total = "", 0
    while True:
        with transaction() as conn:
            parameters = {"model": settings().post_embedding.model, "after": after, "most": SLICE}
            found = [post_id for (post_id,) in conn.execute(FIND_OUTDATED, parameters)]
            mark_stale(conn, Kind.post_embedding, dict.fromkeys(found))
        if not found:
            return total
        after, total = found[-1], total + len(found)
