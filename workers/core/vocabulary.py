"""The words that every room shares: kinds, queues, ids, bounds of a vector.

Imports nothing of Kinfold, so that settings, ledger and queues can all be built on it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

HASHING_MODEL = "hashing-words-v1"
SEMANTIC_MODEL = "wordllama-256+hashing-words-v1"
# Models that need no provider.
LOCAL_MODELS = (SEMANTIC_MODEL, HASHING_MODEL)

# Components of a post's vector, given or made here.
POST_DIMENSIONS = 384
# A component beyond this is no embedding: vectors of length 1 stay within [-1, 1].
MAX_COMPONENT = 2.0
# A shorter vector has no direction to compare.
MIN_MAGNITUDE = 0.1
# A similarity below this is stored as none.
MIN_SIMILARITY = 1e-6


class Kind(StrEnum):
    """What can be fresh or stale."""

    student_embedding = "student_embedding"
    student_neighbors = "student_neighbors"
    book_embedding = "book_embedding"
    post_embedding = "post_embedding"
    user_embedding = "user_embedding"
    user_removal = "user_removal"


class Queue(StrEnum):
    """Lanes with worker processes of their own, so that a full one does not hold up another.

    `live` carries what follows from an event, `batch` what may take its time.
    """

    live = "live"
    batch = "batch"


class Codec(StrEnum):
    """How a document's vector stands in the feature store."""

    json = "json"
    float32 = "float32"
    float16 = "float16"
    int8 = "int8"


@dataclass(frozen=True)
class EmbeddingSpec:
    """What decides which vectors can be compared: the model, and how many components it gives."""

    model: str
    dimensions: int


Action = Literal[
    "view_post",
    "like_post",
    "comment_post",
    "bookmark_post",
    "share_post",
    "hide_post",
    "dislike_post",
]


# What a student says of a book, or does with it.
Verdict = Literal["shown", "opened", "borrowed", "liked", "disliked", "hidden", "later"]


def _no_control_characters(text: str) -> str:
    if not text.isprintable() and any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text):
        raise ValueError("control characters are not allowed")
    return text


# The pattern is for the OpenAPI document only: the validator says in words what is wrong.
Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_no_control_characters),
    Field(json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}),
]
