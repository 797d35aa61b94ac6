"""Posts for a user: near the user's interests, recent, engaging, and not seen yet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.users.read import read_state

SET_SEARCH = query("users/recommend.set_search")
RECOMMEND = query("users/recommend.recommend")
RECOMMEND_POPULAR = query("users/recommend.recommend_popular")

MAX_RECOMMENDATIONS = 100
# The index looks at this many times the candidates: a user's interests lie between the posts'
# topics, where it finds fewer of the nearest than near a post.
LOOKS_AROUND = 2
# What pgvector takes at most.
MAX_EF_SEARCH = 1000


@dataclass(frozen=True)
class Recommendation:
    """A post, its score and what that is made of, each in [0, 1].

    `recency` halves with every RECENCY_HALF_LIFE_DAYS, `engagement` is 1 for the most engaging
    post. There is no similarity to a user without a vector.
    """

    post_id: str
    score: float
    similarity: float | None
    recency: float
    engagement: float
    created_at: datetime | None


@dataclass(frozen=True)
class Weights:
    """What each term counts in the score; the sum of them is 1."""

    similarity: float
    recency: float
    engagement: float


@dataclass(frozen=True)
class Recommendations:
    """Posts for a user, best first.

    `based_on` is what they are chosen by; `reason` is why a user has no vector, null with one.
    """

    user_id: str
    based_on: Literal["interests", "cold_start"]
    reason: str | None
    weights: Weights
    recommendations: list[Recommendation]


def recommend_posts(user_id: str, limit: int) -> Recommendations:
    """Rank the best `limit` of the posts that the user has done nothing with.

    Candidates are the nearest RECOMMENDATION_CANDIDATES posts by the index. For a user without a
    vector, also one that nobody has heard of, they are the most engaging and the newest posts.
    """
    state = read_state(user_id)
    weights = term_weights(with_similarity=state.has_vector)
    candidates = max(settings().recommendation_candidates, limit)
    parameters = {
        "user_id": user_id,
        "limit": limit,
        "candidates": candidates,
        "model": settings().post_embedding.model,
        "similarity_weight": weights.similarity,
        "recency_weight": weights.recency,
        "engagement_weight": weights.engagement,
        "recency_half_life_days": settings().recency_half_life_days,
    }
    with transaction() as conn:
        conn.execute(SET_SEARCH, {"ef_search": min(LOOKS_AROUND * candidates, MAX_EF_SEARCH)})
        cursor = conn.cursor(row_factory=class_row(Recommendation))
        statement = RECOMMEND if state.has_vector else RECOMMEND_POPULAR
        found = cursor.execute(statement, parameters).fetchall()
    return Recommendations(
        user_id=user_id,
        based_on="interests" if state.has_vector else "cold_start",
        reason=None if state.has_vector else state.reason,
        weights=weights,
        recommendations=found,
    )


def term_weights(*, with_similarity: bool) -> Weights:
    """Scale the settings' weights to a sum of 1, so that a score is in [0, 1] like its terms."""
    config = settings()
    similarity = config.similarity_weight if with_similarity else 0.0
    total = similarity + config.recency_weight + config.engagement_weight
    return Weights(
        similarity / total, config.recency_weight / total, config.engagement_weight / total
    )
