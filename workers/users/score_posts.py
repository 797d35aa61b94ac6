"""How much each post is acted upon: a term of recommendations, and what popularity goes by."""

from datetime import UTC, datetime, timedelta

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection

SCORE_POSTS = query("users/score_posts.score_posts")


def score_posts() -> int:
    """Sum up the actions within the look-back, weighted as for interests.

    Engagement grows with the logarithm of that sum and is 1 for the most engaging post. Posts that
    are hidden or disliked more than liked have none.

    Returns:
        The number of posts whose engagement differs from before.
    """
    weights = settings().action_weights
    parameters = {
        "actions": list(weights),
        "weights": list(weights.values()),
        "since": datetime.now(UTC) - timedelta(days=settings().look_back_days),
    }
    with connection() as conn:
        return conn.execute(SCORE_POSTS, parameters).rowcount
