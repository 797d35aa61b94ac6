"""The kinds of derived things: one row says all that sets a kind apart from the others."""

from collections.abc import Callable
from dataclasses import dataclass

from workers.core.settings import Settings, settings
from workers.core.vocabulary import Kind, Queue


@dataclass(frozen=True)
class Pipeline:
    """How one kind is worked on.

    `batch_size` is how many of its keys are claimed together, `limit_s` how old its oldest stale
    key may be, in seconds; both name a setting. Keys of a `held` kind are stale at once and due
    only when a schedule or a person releases them (`workers/ledger/release.py`). A key whose
    result differs marks the same key of the kind `followed_by` stale.
    """

    kind: Kind
    queue: Queue
    batch_size: Callable[[Settings], int]
    limit_s: Callable[[Settings], float] = lambda setting: setting.freshness_limit_seconds
    held: bool = False
    followed_by: Kind | None = None


PIPELINES = {
    row.kind: row
    for row in (
        Pipeline(
            Kind.student_embedding,
            Queue.live,
            batch_size=lambda setting: setting.embedding_batch_size,
            followed_by=Kind.student_neighbors,
        ),
        Pipeline(
            Kind.student_neighbors,
            Queue.live,
            batch_size=lambda setting: setting.neighbor_batch_size,
        ),
        Pipeline(
            Kind.book_embedding,
            Queue.live,
            batch_size=lambda setting: setting.embedding_batch_size,
        ),
        Pipeline(
            Kind.post_embedding,
            Queue.live,
            batch_size=lambda setting: setting.embedding_batch_size,
        ),
        Pipeline(
            Kind.user_embedding,
            Queue.batch,
            batch_size=lambda setting: setting.user_batch_size,
            limit_s=lambda setting: setting.user_freshness_limit_seconds,
            held=True,
        ),
        Pipeline(
            Kind.user_removal,
            Queue.live,
            batch_size=lambda setting: setting.user_batch_size,
        ),
    )
}


def queue_of(kind: Kind) -> Queue:
    """Name the queue whose workers take the keys of a kind."""
    return PIPELINES[kind].queue


def is_held(kind: Kind) -> bool:
    """Say whether stale keys of a kind wait to be released."""
    return PIPELINES[kind].held


def batch_size(kind: Kind) -> int:
    """Count the keys of a kind that are claimed together."""
    return PIPELINES[kind].batch_size(settings())


def limit_seconds(kind: Kind) -> float:
    """Limit the age of a kind's oldest stale key; `FRESHNESS_LIMITS` may name another."""
    return settings().freshness_limits.get(kind, PIPELINES[kind].limit_s(settings()))


def followers() -> dict[Kind, Kind]:
    """Map each kind to the one that follows from it for the same key."""
    return {kind: row.followed_by for kind, row in PIPELINES.items() if row.followed_by}
