"""Events of a content platform, and a look at what users' vectors are afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.library import fact, record, rows, stale
from tests.work_off import work_off
from workers.core.vocabulary import POST_DIMENSIONS, Kind
from workers.ingest.events import Event
from workers.jobs.runs import Run, RunKind, create_run, read_run
from workers.ledger import freshness
from workers.users.runs import recompute_users, request_users

Vector = NDArray[np.float32]


def vector(*components: float) -> Vector:
    """These components first, then zeros."""
    padded = np.zeros(POST_DIMENSIONS, np.float32)
    padded[: len(components)] = components
    return padded


def axis(n: int) -> Vector:
    """The unit vector along the n-th axis."""
    return vector(*[0.0] * n, 1.0)


def given_post(post_id: str, embedding: Vector, **fields: Any) -> Event:
    """A post with a vector of the platform's own."""
    return fact("post_added", post_id=post_id, embedding=embedding.tolist(), **fields)


def post(post_id: str, text: str, **fields: Any) -> Event:
    """A post with a text."""
    return fact("post_added", post_id=post_id, text=text, **fields)


def post_deleted(post_id: str) -> Event:
    """A post is gone."""
    return fact("post_deleted", post_id=post_id)


def acted(
    user_id: str, post_id: str, action: str = "like_post", *, days_ago: float = 0, **fields: Any
) -> Event:
    """What a user did some days ago."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    return fact("user_action", user_id=user_id, post_id=post_id, action=action, created_at=at)


def user_deleted(user_id: str) -> Event:
    """A user is gone."""
    return fact("user_deleted", user_id=user_id)


def recompute_all() -> Run:
    """What the schedule does: a run over everybody who is due."""
    run_id = create_run(RunKind.recompute_users)
    recompute_users(run_id)
    return read_run(run_id)


def interests(user_id: str) -> list[float] | None:
    """A user's stored vector."""
    found = rows("SELECT embedding FROM user_embeddings WHERE user_id = %s", user_id)
    return found[0][0].to_list() if found else None


def reason(user_id: str) -> str | None:
    """Why there is none."""
    ((found,),) = rows("SELECT reason FROM users WHERE user_id = %s", user_id)
    return found  # type: ignore[no-any-return]


def posts(count: int = 6) -> None:
    """P0, P1, ... along the axes."""
    work_off(record(*(given_post(f"P{n}", axis(n)) for n in range(count))).notifications)


def assert_interests(user_id: str, *components: float) -> None:
    """The stored vector is the unit vector in the direction of these components."""
    expected: Vector = vector(*components) / np.linalg.norm(components)
    stored = interests(user_id)
    assert stored is not None
    assert stored == pytest.approx(expected.tolist(), abs=1e-6)


def find_due(kind: Kind) -> list[freshness.Notification]:
    """Messages for everything of a kind that is stale."""
    return freshness.notifications_of(kind, stale(kind))


def request(*user_ids: str) -> UUID:
    """Ask for these users, and do it."""
    requested = request_users(user_ids)
    recompute_users(requested.run_id)
    return requested.run_id
