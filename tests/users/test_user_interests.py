"""Interests from actions: the vectors are those that can be computed by hand."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.library import change, record, rows
from tests.platform import (
    acted,
    assert_interests,
    axis,
    find_due,
    given_post,
    interests,
    posts,
    reason,
    recompute_all,
    request,
    vector,
)
from tests.work_off import work_off
from workers.core.settings import settings
from workers.core.vocabulary import Kind
from workers.users.interests import compute_interests

USER = Kind.user_embedding
Configure = Callable[..., None]

pytestmark = pytest.mark.usefixtures("stores")


def test_the_mean_is_weighted_by_action_and_has_length_1() -> None:
    posts()
    actions = ("view_post", "like_post", "comment_post", "bookmark_post", "share_post")
    record(*(acted("U", f"P{n}", action) for n, action in enumerate(actions)))
    recompute_all()
    assert_interests("U", 1, 5, 8, 7, 10)
    assert np.linalg.norm(interests("U") or []) == pytest.approx(1, abs=1e-6)


def test_vectors_that_are_no_unit_vectors_count_by_their_length_and_actions_add_up() -> None:
    record(given_post("A", vector(0.5, 0.5)), given_post("B", vector(0, 0, -1.5)))
    work_off(find_due(Kind.post_embedding))
    record(acted("U", "A", "view_post"), acted("U", "A", "view_post"), acted("U", "B"))
    recompute_all()
    assert_interests("U", 2 * 0.5, 2 * 0.5, 5 * -1.5)


def test_actions_older_than_the_look_back_do_not_count() -> None:
    posts()
    record(
        acted("U", "P0", "share_post", days_ago=30.01),
        acted("U", "P1", "view_post", days_ago=29.99),
        acted("U", "P2", "view_post", days_ago=0),
    )
    recompute_all()
    assert_interests("U", 0, 1, 1)


def test_weights_and_look_back_come_from_the_settings(configure: Configure) -> None:
    configure(VIEW_WEIGHT=3, LOOK_BACK_DAYS=2)
    posts()
    record(
        acted("U", "P0", "view_post"),
        acted("U", "P1", "like_post", days_ago=1),
        acted("U", "P2", "share_post", days_ago=3),
    )
    recompute_all()
    assert_interests("U", 3, 5)


def test_hide_and_dislike_count_nothing_unless_they_are_given_a_weight(
    configure: Configure,
) -> None:
    posts()
    record(acted("U", "P0"), acted("U", "P1", "hide_post"), acted("U", "P2", "dislike_post"))
    recompute_all()
    assert_interests("U", 1)
    configure(HIDE_WEIGHT=-2, DISLIKE_WEIGHT=-4)
    request("U")
    assert_interests("U", 5, -2, -4)


def test_a_half_life_and_a_cap_per_post_count_if_they_are_set(configure: Configure) -> None:
    configure(ACTION_HALF_LIFE_DAYS=2, POST_WEIGHT_CAP=6)
    posts()
    record(acted("U", "P0", days_ago=4), acted("U", "P1"), acted("U", "P1"))
    recompute_all()
    now = datetime.now(UTC)
    found = compute_interests(["U"], now).found["U"]
    assert isinstance(found, np.ndarray)
    assert found[:2] == pytest.approx(np.array([1.25, 6]) / np.hypot(1.25, 6), abs=1e-4)


def test_the_half_life_is_exact_at_a_given_time(configure: Configure) -> None:
    configure(ACTION_HALF_LIFE_DAYS=3)
    posts()
    record(acted("U", "P0"), acted("U", "P1"))
    noon = datetime(2026, 3, 15, 12, tzinfo=UTC)
    change("UPDATE action_log SET created_at = '2026-03-12 12:00+00' WHERE post_id = 'P0'")
    change("UPDATE action_log SET created_at = '2026-03-15 12:00+00' WHERE post_id = 'P1'")
    found = compute_interests(["U"], noon).found["U"]
    assert isinstance(found, np.ndarray)
    expected = vector(0.5, 1) / np.hypot(0.5, 1)
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_random_platform_equals_the_loop_in_python() -> None:
    chance = np.random.default_rng(5)
    vectors = {f"P{n}": chance.uniform(-1, 1, 384).astype(np.float32) for n in range(40)}
    work_off(record(*(given_post(key, v) for key, v in vectors.items())).notifications)
    weights = settings().action_weights
    kinds = list(weights)[:5]
    acts = [
        (f"U{chance.integers(20)}", f"P{chance.integers(40)}", kinds[kind])
        for kind in chance.integers(5, size=600)
    ]
    record(*(acted(*act) for act in acts))
    recompute_all()
    for user in {user for user, _, _ in acts}:
        total = np.zeros(384)
        for who, post, action in acts:
            if who == user:
                total += weights[action] * vectors[post].astype(np.float64)
        expected = total / np.linalg.norm(total)
        assert interests(user) == pytest.approx(expected.tolist(), abs=1e-6)


def test_there_is_a_reason_where_no_vector_can_be_made(configure: Configure) -> None:
    posts()
    record(
        acted("old", "P0", days_ago=40),
        acted("early", "unknown post"),
        acted("hider", "P0", "hide_post"),
        acted("fine", "P1"),
    )
    recompute_all()
    assert {user: reason(user) for user in ("old", "early", "hider", "fine")} == {
        "old": "no_actions",
        "early": "no_embeddings",
        "hider": "no_weighted_actions",
        "fine": None,
    }
    assert [user for (user,) in rows("SELECT user_id FROM user_embeddings")] == ["fine"]
    configure(MIN_INTERACTIONS=2)
    record(acted("new", "P1"))
    recompute_all()
    assert reason("new") == "too_few_actions"
    record(acted("new", "P1"))
    recompute_all()
    assert reason("new") is None
    assert_interests("new", 0, 1)


def test_weights_that_cancel_each_other_out_are_no_vector(configure: Configure) -> None:
    configure(DISLIKE_WEIGHT=-5)
    posts()
    record(acted("U", "P0"), acted("U", "P0", "dislike_post"))
    work_off(record(given_post("Q", axis(0))).notifications)
    record(acted("V", "P0"), acted("V", "Q", "dislike_post"))
    recompute_all()
    assert (reason("U"), reason("V")) == ("no_weighted_actions", "no_weighted_actions")
    assert rows("SELECT user_id FROM user_embeddings") == []
