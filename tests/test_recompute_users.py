"""Interests from actions: hand-computed vectors, who is due, and what stops nobody else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.facts import record, rows, stale
from tests.platform import acted, axis, given_post, interests, post_deleted, recompute_all, vector
from tests.work_off import work_off
from workers.freshness import Kind

USER = Kind.user_embedding

pytestmark = pytest.mark.usefixtures("stores")


def posts() -> None:
    """P0, P1, ... along the axes."""
    work_off(record(*(given_post(f"P{n}", axis(n)) for n in range(5))).wake_ups)


def test_the_mean_is_weighted_by_action_and_has_length_1() -> None:
    posts()
    record(acted("U", "P0", "view_post"), acted("U", "P1", "like_post"), acted("U", "P2", "comment_post"))
    record(acted("U", "P3", "bookmark_post"), acted("U", "P4", "share_post"))
    recompute_all()
    expected = vector(1, 5, 8, 7, 10) / np.sqrt(1 + 25 + 64 + 49 + 100)
    assert interests("U") == pytest.approx(expected, abs=1e-6)
