"""Events about posts and users: what is accepted, what is refused, what it leaves in the tables."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.library import fact, record, rows, stale
from tests.platform import (
    acted,
    axis,
    find_due,
    given_post,
    post,
    post_deleted,
    recompute_all,
    user_deleted,
)
from tests.processes import eventually
from tests.work_off import work_off
from workers.core.stores import connection
from workers.core.vocabulary import HASHING_MODEL, Kind
from workers.ingest.record import record_events
from workers.users.recommend import recommend_posts
from workers.users.refresh_posts import refresh_posts

POST = Kind.post_embedding
USER = Kind.user_embedding
VECTOR = axis(0).tolist()

ACTION = {"event_type": "user_action", "user_id": "U", "post_id": "P", "action": "like_post"}
TOLD = {"event_type": "post_added", "post_id": "P"}


def later(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


@pytest.mark.parametrize(
    "event",
    [
        TOLD | {"text": "a fox"},
        TOLD | {"event_type": "post_updated", "embedding": VECTOR},
        TOLD | {"text": "a fox", "embedding": [2] * 384, "created_at": "2020-01-01T00:00:00Z"},
        {"event_type": "post_deleted", "post_id": "P"},
        ACTION,
        ACTION | {"created_at": later(hours=23)},
        *(
            ACTION | {"action": action}
            for action in ("view_post", "comment_post", "bookmark_post", "share_post")
        ),
        ACTION | {"action": "hide_post"},
        ACTION | {"action": "dislike_post"},
        {"event_type": "user_deleted", "user_id": "U"},
    ],
)
def test_what_a_platform_tells_is_accepted(client: TestClient, event: dict[str, Any]) -> None:
    answer = client.post("/events", json=event)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (ACTION | {"action": "poke_post"}, "view_post"),
        (ACTION | {"action": None}, "view_post"),
        (ACTION | {"created_at": later(hours=25)}, "more than a day in the future"),
        (ACTION | {"created_at": "9999-12-31T00:00:00Z"}, "more than a day in the future"),
        (ACTION | {"created_at": "0001-12-31T00:00:00Z"}, "before the year 2"),
        (ACTION | {"created_at": "0001-01-01T00:00:00+14:00"}, "before the year 2"),
        (ACTION | {"created_at": "2026-03-01T00:00:00"}, "timezone"),
        (ACTION | {"created_at": "soon"}, "datetime"),
        (ACTION | {"user_id": ""}, "1 character"),
        (TOLD, "a text, an embedding, or both"),
        (TOLD | {"text": None, "embedding": None}, "a text, an embedding, or both"),
        (TOLD | {"text": "  "}, "1 character"),
        (TOLD | {"text": "a\0b"}, "NUL"),
        (TOLD | {"embedding": VECTOR[1:]}, "384 numbers, not 383"),
        (TOLD | {"embedding": []}, "384 numbers, not 0"),
        (TOLD | {"embedding": [0.0] * 384}, "magnitude"),
        (TOLD | {"embedding": [2.1, *VECTOR[1:]]}, "within [-2, 2]"),
        (TOLD | {"embedding": [float("nan"), *VECTOR[1:]]}, "finite"),
        (TOLD | {"embedding": [float("inf"), *VECTOR[1:]]}, "finite"),
        (TOLD | {"embedding": ["1", *VECTOR[1:]]}, "valid number"),
        (TOLD | {"embedding": "1"}, "array"),
        (TOLD | {"text": "a", "created_at": later(days=2)}, "more than a day in the future"),
    ],
)
def test_bad_input_is_refused_with_its_reason(
    client: TestClient, event: dict[str, Any], message: str
) -> None:
    answer = client.post("/events", content=json.dumps({"events": [ACTION, event]}))
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert len(errors) == 1
    assert errors[0]["loc"][:2] == ["events", 1]
    assert message in errors[0]["msg"]
    assert rows("SELECT * FROM users") == rows("SELECT * FROM posts") == []


usable = pytest.mark.usefixtures("stores")


@usable
def test_a_given_vector_is_used_as_it_is_and_a_text_is_embedded() -> None:
    work_off(record(given_post("A", axis(3)), post("B", "a fox and a crow")).notifications)
    found = dict(rows("SELECT post_id, embedding FROM post_embeddings"))
    assert found["A"].to_list() == axis(3).tolist()
    assert sum(x * x for x in found["B"].to_list()) == pytest.approx(1, abs=1e-5)


@usable
def test_the_last_telling_decides_where_the_vector_comes_from() -> None:
    work_off(record(given_post("P", axis(3), text="a fox")).notifications)
    assert rows("SELECT text, embedding IS NULL FROM posts") == [("a fox", False)]
    work_off(record(fact("post_updated", post_id="P", text="a crow")).notifications)
    assert rows("SELECT text, embedding IS NULL FROM posts") == [("a crow", True)]
    ((by_text,),) = rows("SELECT embedding FROM post_embeddings")
    assert by_text.to_list() != axis(3).tolist()
    work_off(record(fact("post_updated", post_id="P", embedding=VECTOR)).notifications)
    ((given,),) = rows("SELECT embedding FROM post_embeddings")
    assert given.to_list() == VECTOR


@usable
def test_the_same_post_sent_again_changes_nothing() -> None:
    event = post("P", "a fox", created_at="2026-03-01T00:00:00Z")
    work_off(record(event).notifications)
    before = rows("SELECT updated_at FROM post_embeddings")
    again = record(event, fact("post_updated", post_id="P", text="a fox"))
    assert again.outcomes == ["unchanged", "unchanged"]
    assert stale(POST) == set()
    assert rows("SELECT updated_at FROM post_embeddings") == before


@usable
def test_a_post_without_a_date_is_as_old_as_its_first_telling() -> None:
    record(acted("U", "P"))
    assert rows("SELECT created_at FROM posts") == [(None,)]
    record(post("P", "a fox"))
    ((first,),) = rows("SELECT created_at FROM posts")
    record(post("P", "a crow"))
    assert rows("SELECT created_at FROM posts") == [(first,)]
    record(post("P", "a crow", created_at="2026-03-01T00:00:00Z"))
    assert rows("SELECT created_at::date::text FROM posts") == [("2026-03-01",)]


@usable
def test_the_same_action_twice_is_two_actions_but_an_event_sent_twice_is_one() -> None:
    record(acted("U", "P"), acted("U", "P"))
    assert rows("SELECT count(*) FROM action_log") == [(2,)]
    event_id = "0b5c2f3e-7d1a-4a55-9a41-3a1f4c1d2e6c"
    once = fact(**ACTION, event_id=event_id)
    assert record(once).duplicates == 0
    assert record(once, once).duplicates == 2
    assert rows("SELECT count(*) FROM action_log") == [(3,)]


@usable
def test_deletions_take_effect_in_the_order_of_the_list() -> None:
    record(
        acted("U", "P"),
        post("P", "a fox"),
        post_deleted("P"),
        acted("U", "P", "share_post"),
        acted("V", "Q"),
        user_deleted("V"),
        acted("V", "R"),
    )
    found = rows("SELECT user_id, post_id, action FROM action_log ORDER BY 1, 2")
    assert found == [("U", "P", "share_post"), ("V", "R", "like_post")]
    assert rows("SELECT text FROM posts WHERE post_id = 'P'") == [(None,)]
    assert stale(POST) == set()
    assert stale(USER) == {"U", "V"}


@usable
def test_deleting_what_is_not_there_changes_nothing() -> None:
    assert record(post_deleted("P"), user_deleted("U")).outcomes == ["unchanged", "unchanged"]
    assert stale(Kind.user_removal) == set()


@usable
def test_an_action_stored_while_the_posts_vector_is_makes_its_user_stale() -> None:
    """The vector waits for the action, so that the user is raised with it."""
    notifications = record(given_post("P", axis(0))).notifications
    with ThreadPoolExecutor(1) as threads, connection() as conn:
        with conn.transaction():
            conn.execute("INSERT INTO users (user_id) VALUES ('U')")
            conn.execute(
                "INSERT INTO action_log (user_id, post_id, action, created_at)"
                " VALUES ('U', 'P', 'like_post', now())"
            )
            work = threads.submit(work_off, notifications)
            eventually(lambda: waiting(conn), lambda: "nobody waits")
        work.result()
    assert stale(USER) == {"U"}


def waiting(conn: psycopg.Connection) -> bool:
    found = conn.execute(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " OR NOT granted AND locktype = 'transactionid')"
    ).fetchone()
    return found == (True,)


@usable
def test_ten_thousand_actions_are_stored_at_once() -> None:
    recorded = record_events([acted(f"U{n % 700}", f"P{n % 90}") for n in range(10_000)])
    assert recorded.outcomes == ["inserted"] * 10_000
    assert rows("SELECT count(*) FROM action_log") == [(10_000,)]
    assert len(stale(USER)) == 700
    assert recorded.notifications == []


@usable
def test_another_model_reaches_posts_at_night_and_their_users_with_the_next_run(
    configure: Callable[..., None],
) -> None:
    work_off(record(post("P", "a fox"), given_post("G", axis(1))).notifications)
    record(acted("U", "P"))
    recompute_all()
    assert refresh_posts() == 0
    configure(POST_EMBEDDING_MODEL=HASHING_MODEL)
    assert recommend_posts("U", 5).based_on == "cold_start"
    assert refresh_posts() == 2
    work_off(find_due(POST))
    assert rows("SELECT DISTINCT model FROM post_embeddings") == [(HASHING_MODEL,)]
    assert stale(USER) == {"U"}
    recompute_all()
    assert rows("SELECT model_version FROM user_embeddings") == [(HASHING_MODEL,)]
    found = recommend_posts("U", 5)
    assert (found.based_on, [each.post_id for each in found.recommendations]) == (
        "interests",
        ["G"],
    )
