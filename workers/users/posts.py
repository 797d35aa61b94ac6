"""Posts' vectors, given or made from the text. A new one makes stale who acted on the post."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pgvector import Vector as StoredVector
from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import EmbeddingSpec, Kind
from workers.embedding.content_hash import content_hash
from workers.embedding.embed_keys import Embedded, embed_keys
from workers.ingest.apply_platform import find_actors, lock_posts
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification
from workers.ledger.release import release_asked

LOAD_POSTS = query("users/posts.load_posts")
STORE_EMBEDDING = query("users/posts.store_embedding")


@dataclass(frozen=True)
class PostRow:
    """A post; `embedding` is the given one, `content_hash` is None without a stored vector."""

    post_id: str
    text: str | None
    embedding: StoredVector | None
    content_hash: bytes | None

    def new_hash(self, spec: EmbeddingSpec) -> bytes:
        """Hash everything that decides a post's vector, with SHA-256."""
        if self.embedding is None:
            return content_hash(spec, self.text or "")
        return hashlib.sha256(spec.model.encode() + b"\0" + self.embedding.to_binary()).digest()


def recompute_post(key: str) -> list[Notification]:
    """Bring the vectors of `key` and of other stale posts up to date.

    Returns:
        Messages for posts that are stale again, and for users whose interests were asked for
        while a post of theirs was stale. Other users wait for their schedule.
    """
    return attempt(Kind.post_embedding, key, recompute_batch) or []


def recompute_batch(batch: Batch) -> Outcome:
    """Recompute one claimed batch; no connection is held across the provider's answer."""
    spec = settings().post_embedding
    parameters = {"keys": list(batch.claims), "model": spec.model}
    with connection() as conn, conn.cursor(row_factory=class_row(PostRow), binary=True) as cursor:
        posts = {row.post_id: row for row in cursor.execute(LOAD_POSTS, parameters)}
    hashes = {key: post.new_hash(spec) for key, post in posts.items()}
    changed = {key: post for key, post in posts.items() if hashes[key] != post.content_hash}
    given = {
        key: post.embedding.to_numpy()
        for key, post in changed.items()
        if post.embedding is not None
    }
    texts = {key: post.text or "" for key, post in changed.items() if post.embedding is None}
    made = embed_keys(spec, texts)
    return _store(batch, hashes, Embedded(given | made.vectors, made.failed))


def _store(batch: Batch, hashes: Mapping[str, bytes], embedded: Embedded) -> Outcome:
    """Write vectors, raise the users behind them, and mark done, in one transaction."""
    with transaction() as conn:
        # The posts first, as events take them. An action that is being stored is waited for, and
        # one that comes later will find the vector: no user is missed.
        lock_posts(conn, list(embedded.vectors))
        ours = freshness.confirm_lease(
            conn, batch, [key for key in batch.claims if key not in embedded.failed]
        )
        ready = [key for key in ours if key in hashes]
        stored = [key for key in ready if key in embedded.vectors]
        conn.cursor().executemany(
            STORE_EMBEDDING,
            [
                {
                    "post_id": key,
                    "model": settings().post_embedding.model,
                    "content_hash": hashes[key],
                    "embedding": embedded.vectors[key],
                    "last_event": batch.claims[key].last_event,
                }
                for key in stored
            ],
        )
        causes = {
            user_id: batch.claims[post_id].last_event
            for post_id, user_id in find_actors(conn, stored)
        }
        freshness.mark_stale(conn, Kind.user_embedding, causes)
        users = release_asked(conn, Kind.user_embedding, causes)
        again = freshness.mark_done(conn, batch, ready)
    return Outcome(
        done=ready,
        failed=embedded.failed,
        notifications=[
            *freshness.notifications_of(Kind.post_embedding, again),
            *freshness.notifications_of(Kind.user_embedding, users),
        ],
    )
