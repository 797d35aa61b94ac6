"""The originals' users, written for comparison: one after the other.

Per user: query the actions, query the posts, a weighted mean in Python, upsert, SET.
"""

import json
import math
import time
from collections.abc import Sequence

from workers.core.stores import connection, stores

WEIGHTS = {
    "view_post": 1,
    "like_post": 5,
    "comment_post": 8,
    "bookmark_post": 7,
    "share_post": 10,
}


def create() -> None:
    """Their table of users' vectors, without a vector index; actions and posts are shared."""
    with connection() as conn:
        conn.execute("CREATE TABLE originals_users (LIKE user_embeddings INCLUDING ALL)")


def recompute(user_ids: Sequence[str]) -> float:
    """Recompute these users; returns seconds."""
    started = time.perf_counter()
    for user_id in user_ids:
        _recompute_one(user_id)
    return time.perf_counter() - started


def _recompute_one(user_id: str) -> None:
    with connection() as conn:
        actions = conn.execute(
            "SELECT post_id, action FROM action_log"
            " WHERE user_id = %s AND created_at > now() - interval '30 days'",
            [user_id],
        ).fetchall()
        found = conn.execute(
            "SELECT post_id, embedding FROM post_embeddings WHERE post_id = ANY(%s)",
            [[post_id for post_id, _ in actions]],
        ).fetchall()
        vectors = {post_id: vector.to_list() for post_id, vector in found}
        total, mean = 0.0, [0.0] * 384
        for post_id, action in actions:
            if post_id in vectors:
                weight = WEIGHTS[action]
                total += weight
                mean = [m + weight * x for m, x in zip(mean, vectors[post_id], strict=True)]
        length = math.sqrt(sum(x * x for x in mean))
        vector = [x / length for x in mean]
        conn.execute(
            "INSERT INTO originals_users"
            " (user_id, embedding, model_version, generated_at, updated_at, created_by)"
            " VALUES (%s, %s::vector, 'originals', now(), now(), 'originals')"
            " ON CONFLICT (user_id) DO UPDATE SET"
            " embedding = excluded.embedding, updated_at = now()",
            [user_id, json.dumps(vector)],
        )
    stores().redis.set(f"originals:{user_id}:embedding", json.dumps(vector), ex=7 * 86400)
