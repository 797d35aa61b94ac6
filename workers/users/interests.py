"""Users' interests: the weighted mean of the vectors of the posts that they acted on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.core.vocabulary import POST_DIMENSIONS, Kind
from workers.embedding.texts import Vector
from workers.ledger.release import find_stale

SET_MEMORY = query("users/interests.set_memory")
READ_WEIGHTS = query("users/interests.read_weights")
READ_VECTORS = query("users/interests.read_vectors")

# Dimensions, flags, element type, length and lower bound, four bytes each.
ARRAY_HEADER = 20
# As a vector travels: its length and a reserved field, then the components.
BINARY_VECTOR = np.dtype([("head", ">i2", 2), ("components", ">f4", POST_DIMENSIONS)])
# Vectors that cancel each other out leave rounding, not a direction.
MIN_MEAN_MAGNITUDE = 1e-6


Number = TypeVar("Number", np.int32, np.float32)


class Reason(StrEnum):
    """Why there is no vector to be made of what a user did."""

    no_actions = "no_actions"
    too_few_actions = "too_few_actions"
    no_weighted_actions = "no_weighted_actions"
    no_embeddings = "no_embeddings"


@dataclass(frozen=True)
class Weights:
    """A batch's actions, summed up per user and post.

    `users` and `posts` are the places of each sum's user and post, the latter in `vectors`; a
    post without a vector is -1. `weights` are those sums, `actions` how many there are, `stale`
    says whether the post's vector is about to be another.
    """

    users: NDArray[np.int32]
    posts: NDArray[np.int32]
    weights: NDArray[np.float32]
    actions: NDArray[np.int32]
    vectors: NDArray[np.float32]
    stale: NDArray[np.bool_]


@dataclass(frozen=True)
class Interests:
    """Users' interests, a unit vector of 384 each, or why there is none.

    `provisional` are the users of whose posts some were stale: theirs will be others.
    """

    found: dict[str, Vector | Reason]
    provisional: set[str]


def compute_interests(user_ids: Sequence[str], now: datetime | None = None) -> Interests:
    """Compute each user's interests from what the user did within the look-back.

    However many users: one read of their actions, one of the posts' vectors, one matrix product.
    """
    read = _read_weights(user_ids, now or datetime.now(UTC))
    known = read.posts >= 0
    matrix = csr_array(
        (read.weights[known], (read.users[known], read.posts[known])),
        shape=(len(user_ids), len(read.vectors)),
    )
    sums: NDArray[np.float32] = matrix @ read.vectors
    magnitudes = np.linalg.norm(sums, axis=1)

    def total(values: NDArray[np.float32] | NDArray[np.int32]) -> NDArray[np.float64]:
        return np.bincount(read.users, values, minlength=len(user_ids)).astype(np.float64)

    actions = total(read.actions)
    weighted = total(np.abs(read.weights))
    usable = total(np.where(known, np.abs(read.weights), 0))
    found: dict[str, Vector | Reason] = {}
    for place, user_id in enumerate(user_ids):
        if actions[place] == 0:
            found[user_id] = Reason.no_actions
        elif actions[place] < settings().min_interactions:
            found[user_id] = Reason.too_few_actions
        elif weighted[place] == 0:
            found[user_id] = Reason.no_weighted_actions
        elif usable[place] == 0:
            found[user_id] = Reason.no_embeddings
        elif magnitudes[place] < MIN_MEAN_MAGNITUDE * usable[place]:
            found[user_id] = Reason.no_weighted_actions
        else:
            found[user_id] = sums[place] / magnitudes[place]
    provisional = {user_ids[place] for place in np.unique(read.users[read.stale])}
    return Interests(found, provisional)


def _read_weights(user_ids: Sequence[str], now: datetime) -> Weights:
    weights = settings().action_weights
    parameters = {
        "user_ids": list(user_ids),
        "actions": list(weights),
        "weights": list(weights.values()),
        "now": now,
        "since": now - timedelta(days=settings().look_back_days),
        "half_life_days": settings().action_half_life_days,
        "cap": settings().post_weight_cap,
    }
    with transaction() as conn:
        conn.execute(SET_MEMORY)
        ((users, posts, sums, actions),) = conn.execute(READ_WEIGHTS, parameters, binary=True)
        posts = posts or ()
        # Before the vectors: a post that is stale here and fresh there costs one run too many, the
        # other way round one would be missing.
        stale = find_stale(conn, Kind.post_embedding, set(posts))
        found = conn.execute(
            READ_VECTORS,
            {"post_ids": list(set(posts)), "model": settings().post_embedding.model},
            binary=True,
        ).fetchall()
    place_of = {post_id: place for place, (post_id, _) in enumerate(found)}
    vectors = np.frombuffer(b"".join(vector for _, vector in found), BINARY_VECTOR)
    return Weights(
        _array(users, np.int32),
        np.array([place_of.get(post_id, -1) for post_id in posts], np.int32),
        _array(sums, np.float32),
        _array(actions, np.int32),
        vectors["components"].astype(np.float32),
        np.array([post_id in stale for post_id in posts], np.bool_),
    )


def _array(sent: bytes | None, kind: type[Number]) -> NDArray[Number]:
    """Read a Postgres array of four-byte numbers: a header, then each with its length."""
    element = np.dtype([("length", ">i4"), ("value", np.dtype(kind).newbyteorder(">"))])
    return np.frombuffer(sent or b"", element, offset=ARRAY_HEADER if sent else 0)["value"].astype(
        kind
    )
