"""Users' interests from what they did: claim, compute, store, copy to Redis."""

from collections.abc import Mapping

import psycopg
from pgvector import Vector as StoredVector
from psycopg.rows import dict_row

from workers.core.metrics import USERS_RECOMPUTED
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.embedding.texts import Vector
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification
from workers.users import cache
from workers.users.cache import UserDocument
from workers.users.interests import Reason, compute_interests

STORE_EMBEDDINGS = query("users/recompute.store_embeddings")
STORE_REASONS = query("users/recompute.store_reasons")

CREATED_BY = "recompute_users"


def recompute_user(key: str) -> list[Notification]:
    """Compute the interests of `key` and of other users that are due.

    Returns:
        Messages for users that were asked for meanwhile; others that are stale again wait for the
        next run.
    """
    return attempt(Kind.user_embedding, key, recompute_batch) or []


def recompute_batch(batch: Batch) -> Outcome:
    """Compute and store the interests of one claimed batch."""
    keys = sorted(batch.claims)
    interests = compute_interests(keys)
    found = interests.found
    vectors = {key: vector for key, vector in found.items() if not isinstance(vector, Reason)}
    reasons = {key: reason for key, reason in found.items() if isinstance(reason, Reason)}
    with transaction() as conn:
        ours = freshness.confirm_lease(conn, batch, keys)
        documents = _store(conn, batch, {key: vectors[key] for key in ours if key in vectors})
        conn.execute(
            STORE_REASONS, {"user_ids": ours, "reasons": [reasons.get(key) for key in ours]}
        )
        again = freshness.mark_done(conn, batch, ours, provisional=interests.provisional)
        cache.announce({key: document.version for key, document in documents.items()})
    cache.fill(documents)
    USERS_RECOMPUTED.add(len(documents), outcome="embedded")
    for reason in Reason:
        count = sum(reasons.get(key) == reason for key in ours)
        if count:
            USERS_RECOMPUTED.add(count, outcome=reason)
    return Outcome(done=ours, notifications=freshness.notifications_of(batch.kind, again))


def _store(
    conn: psycopg.Connection, batch: Batch, vectors: Mapping[str, Vector]
) -> dict[str, UserDocument]:
    """Write vectors; returns them as they are to stand in Redis after the commit."""
    if not vectors:
        return {}
    rows = conn.cursor(row_factory=dict_row).execute(
        STORE_EMBEDDINGS,
        {
            "user_ids": list(vectors),
            "embeddings": [StoredVector(vector) for vector in vectors.values()],
            "last_events": [batch.claims[key].last_event for key in vectors],
            "model_version": settings().post_embedding.model,
            "created_by": CREATED_BY,
        },
    )
    return {row["user_id"]: cache.document(**row) for row in rows}
