"""What the API shows of one user: the vector, from Redis or Postgres, and similar users."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from psycopg.rows import class_row, dict_row
from pydantic import TypeAdapter, ValidationError

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.users import cache

READ_EMBEDDING = query("users/read.read_embedding")
READ_STATE = query("users/read.read_state")
SET_SEARCH = query("users/read.set_search")
FIND_SIMILAR = query("users/read.find_similar")

MAX_SIMILAR = 100
# Beside the reasons of workers/users/interests.py.
NOT_YET_COMPUTED = "not_yet_computed"
UNKNOWN_USER = "unknown_user"

log = structlog.get_logger()


@dataclass(frozen=True)
class UserEmbedding:
    """A unit vector of 384, first made at `generated_at` and last at `updated_at`."""

    user_id: str
    embedding: list[float]
    model_version: str
    generated_at: datetime
    updated_at: datetime
    created_by: str


@dataclass(frozen=True)
class SimilarUser:
    """A user with like interests; cosine similarity in [0, 1]."""

    user_id: str
    similarity: float


DOCUMENT = TypeAdapter(UserEmbedding)


@dataclass(frozen=True)
class UserState:
    """Whether a user has a vector that can be compared with posts; if not, why: a code."""

    has_vector: bool
    reason: str | None


def read_embedding(user_id: str) -> UserEmbedding:
    """Read a user's vector from Redis, else from Postgres, and fill Redis then.

    Raises:
        UnknownKeyError: there is none; `reason` says why.
    """
    cached = cache.read(user_id)
    if cached is not None:
        try:
            return DOCUMENT.validate_json(cached)
        except ValidationError:
            log.warning("user_cache_damaged", user_id=user_id)
    with connection() as conn:
        cursor = conn.cursor(row_factory=dict_row)
        row = cursor.execute(READ_EMBEDDING, {"user_id": user_id}).fetchone()
    if row is None:
        raise UnknownKeyError(read_state(user_id).reason or NOT_YET_COMPUTED, user_id)
    found = cache.document(**row)
    cache.refill(user_id, found)
    return DOCUMENT.validate_json(found.json)


def read_state(user_id: str) -> UserState:
    """Read whether a user has a vector; somebody that nobody has heard of has none either."""
    parameters = {"user_id": user_id, "model": settings().post_embedding.model}
    with connection() as conn:
        row = conn.execute(READ_STATE, parameters).fetchone()
    if row is None:
        return UserState(has_vector=False, reason=UNKNOWN_USER)
    reason, has_vector = row
    return UserState(has_vector, None if has_vector else reason or NOT_YET_COMPUTED)


def find_similar(user_id: str, limit: int) -> list[SimilarUser]:
    """Find the users of the most similar interests, best first, by the index.

    Raises:
        UnknownKeyError: the user has no vector; `reason` says why.
    """
    model = settings().post_embedding.model
    state = read_state(user_id)
    if not state.has_vector:
        raise UnknownKeyError(state.reason or NOT_YET_COMPUTED, user_id)
    with transaction() as conn:
        conn.execute(SET_SEARCH)
        cursor = conn.cursor(row_factory=class_row(SimilarUser))
        return cursor.execute(
            FIND_SIMILAR, {"user_id": user_id, "limit": limit, "model": model}
        ).fetchall()
