"""Users over HTTP: vectors, similar users, recommendations, and how recomputing is asked for."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.library import change, record, rows
from tests.platform import (
    acted,
    axis,
    given_post,
    interests,
    posts,
    recompute_all,
    vector,
)
from tests.work_off import work_off
from workers.core.stores import connect
from workers.core.vocabulary import SEMANTIC_MODEL, Kind
from workers.users import index
from workers.users.runs import recompute_users
from workers.users.score_posts import score_posts

Configure = Callable[..., None]


def ask(client: TestClient, user_id: str, what: str, **query: int) -> Any:
    answer = client.get(f"/users/{user_id}/{what}", params=query)
    return answer.json() if answer.status_code == 200 else (answer.status_code, answer.json())


def recommended(client: TestClient, user_id: str, limit: int = 10) -> list[str]:
    body = ask(client, user_id, "recommendations", limit=limit)
    return [each["post_id"] for each in body["recommendations"]]


def test_a_vector_is_answered_with_its_model_and_times(client: TestClient) -> None:
    posts()
    record(acted("U/1 é", "P0"))
    recompute_all()
    body = client.get("/users/U%2F1%20%C3%A9/embedding").json()
    assert body["embedding"] == interests("U/1 é")
    assert body["user_id"] == "U/1 é"
    assert body["generated_at"] == body["updated_at"]
    assert (body["model_version"], body["created_by"]) == (
        SEMANTIC_MODEL,
        "recompute_users",
    )


def test_a_deleted_user_is_not_read_from_redis_before_a_worker_has_been_there(
    client: TestClient,
) -> None:
    posts()
    record(acted("U", "P0"))
    recompute_all()
    assert ask(client, "U", "embedding")["user_id"] == "U"
    answer = client.post("/events", json={"event_type": "user_deleted", "user_id": "U"})
    assert answer.status_code == 202
    assert ask(client, "U", "embedding")[0] == 404


def test_there_is_a_reason_code_where_there_is_no_vector(client: TestClient) -> None:
    posts()
    record(acted("early", "unknown"), acted("hider", "P0", "hide_post"))
    recompute_all()
    record(acted("new", "P0"))
    for user_id, reason in {
        "early": "no_embeddings",
        "hider": "no_weighted_actions",
        "new": "not_yet_computed",
        "nobody": "unknown_user",
    }.items():
        for what in ("embedding", "similar"):
            status, problem = ask(client, user_id, what)
            assert (status, problem["reason"]) == (404, reason)


def test_similar_users_are_those_that_numpy_finds(client: TestClient) -> None:
    chance = np.random.default_rng(3)
    vectors = {f"P{n}": chance.standard_normal(384).clip(-2, 2) for n in range(60)}
    work_off(record(*(given_post(key, v) for key, v in vectors.items())).notifications)
    record(
        *(acted(f"U{n:02}", f"P{chance.integers(60)}", "view_post") for n in range(40)),
        *(acted(f"U{n:02}", f"P{chance.integers(60)}", "like_post") for n in range(40)),
        acted("no vector", "unknown"),
    )
    recompute_all()
    users = {f"U{n:02}": np.array(interests(f"U{n:02}")) for n in range(40)}
    body = ask(client, "U07", "similar", limit=5)
    exact = {user: float(np.clip(users["U07"] @ v, 0, 1)) for user, v in users.items()}
    del exact["U07"]
    best = sorted(exact, key=lambda user: -exact[user])[:5]
    assert [each["user_id"] for each in body["similar"]] == best
    for each in body["similar"]:
        assert each["similarity"] == pytest.approx(exact[each["user_id"]], abs=1e-6)


def test_recommendations_are_ranked_by_a_score_that_its_terms_add_up_to(
    client: TestClient,
) -> None:
    now = datetime.now(UTC)
    work_off(
        record(
            given_post("liked", axis(0)),
            *(
                given_post(f"R{n}", vector(0.5, n / 8), created_at=now - timedelta(days=20 - 2 * n))
                for n in range(10)
            ),
        ).notifications
    )
    record(acted("U", "liked"), acted("other", "R3", "share_post"), acted("other", "R4"))
    recompute_all()
    score_posts()
    body = ask(client, "U", "recommendations", limit=4)
    assert (body["based_on"], body["reason"]) == ("interests", None)
    weights = body["weights"]
    assert weights == pytest.approx({"similarity": 0.7, "recency": 0.2, "engagement": 0.1})
    expected = {}
    for n in range(10):
        cosine = 1 / np.hypot(1, n / 4)
        recency = 0.5 ** ((20 - 2 * n) / 7)
        engagement = {3: 1.0, 4: np.log1p(5) / np.log1p(10)}.get(n, 0.0)
        expected[f"R{n}"] = (cosine, recency, engagement)
    scores = {
        post_id: 0.7 * cosine + 0.2 * recency + 0.1 * engagement
        for post_id, (cosine, recency, engagement) in expected.items()
    }
    found = body["recommendations"]
    assert [each["post_id"] for each in found] == sorted(scores, key=lambda p: -scores[p])[:4]
    for each in found:
        terms = [each["similarity"], each["recency"], each["engagement"]]
        assert terms == pytest.approx(expected[each["post_id"]], abs=1e-4)
        assert each["score"] == pytest.approx(scores[each["post_id"]], abs=1e-4)
        assert all(0 <= term <= 1 for term in [each["score"], *terms])


def test_seen_hidden_and_deleted_posts_are_not_recommended(client: TestClient) -> None:
    work_off(record(*(given_post(f"P{n}", vector(1, n / 10)) for n in range(8))).notifications)
    record(acted("U", "P0"))
    recompute_all()
    assert recommended(client, "U") == [f"P{n}" for n in range(1, 8)]
    record(acted("U", "P1", "view_post"), acted("U", "P2", "hide_post"))
    client.post("/events", json={"event_type": "post_deleted", "post_id": "P3"})
    assert recommended(client, "U") == ["P4", "P5", "P6", "P7"]


def test_who_has_seen_everything_near_gets_what_is_farther(
    client: TestClient, configure: Configure
) -> None:
    configure(RECOMMENDATION_CANDIDATES=5)
    near = [given_post(f"near{n:03}", vector(1, n / 1000)) for n in range(300)]
    far = [given_post(f"far{n}", vector(0.1, 0.5 + n / 10)) for n in range(3)]
    notifications = record(*near, *far).notifications
    work_off(notifications)
    record(*(acted("U", f"near{n:03}") for n in range(300)))
    recompute_all()
    assert recommended(client, "U") == ["far0", "far1", "far2"]


@pytest.mark.parametrize("user_id", ["nobody", "new"])
def test_users_without_a_vector_get_what_is_popular_and_new(
    client: TestClient, user_id: str
) -> None:
    now = datetime.now(UTC)
    work_off(
        record(
            given_post("hot", axis(0), created_at=now - timedelta(days=20)),
            given_post("fresh", axis(1), created_at=now),
            given_post("stale", axis(2), created_at=now - timedelta(days=60)),
            given_post("seen", axis(3), created_at=now),
        ).notifications
    )
    record(*(acted(f"V{n}", "hot", "share_post") for n in range(9)), acted("new", "seen"))
    score_posts()
    body = ask(client, user_id, "recommendations")
    assert body["based_on"] == "cold_start"
    assert body["reason"] == {"nobody": "unknown_user", "new": "not_yet_computed"}[user_id]
    assert body["weights"]["similarity"] == 0
    assert sum(body["weights"].values()) == pytest.approx(1)
    found = [each["post_id"] for each in body["recommendations"]]
    if user_id == "nobody":
        found.remove("seen")
    assert found == ["fresh", "hot", "stale"]
    for each in body["recommendations"]:
        assert each["similarity"] is None
        assert 0 <= each["score"] <= 1


def test_engagement_goes_when_the_actions_are_old(client: TestClient) -> None:
    posts()
    record(acted("U", "P0"), acted("U", "P1", days_ago=29))
    assert score_posts() == 2
    assert score_posts() == 0
    change("UPDATE action_log SET created_at = created_at - interval '2 days'")
    score_posts()
    assert rows("SELECT post_id, engagement FROM post_engagement") == [("P0", 1.0)]


def test_recomputing_all_that_are_due_is_a_run(client: TestClient) -> None:
    posts()
    record(acted("U", "P0"), acted("V", "P1"))
    answer = client.post("/users/recompute", json={})
    assert answer.status_code == 202
    run_id = answer.json()["run_id"]
    again = client.post("/users/recompute", json={})
    assert (again.status_code, again.json()["run_id"]) == (409, run_id)
    recompute_users(UUID(run_id))
    run = client.get(f"/runs/{run_id}").json()
    assert (run["kind"], run["state"], run["done"]) == ("recompute_users", "done", 2)


def test_users_are_recomputed_by_name_beside_the_schedules_run(client: TestClient) -> None:
    posts()
    record(acted("U", "P0"), acted("V", "P1"))
    client.post("/users/recompute", json={})
    answer = client.post("/users/recompute", json={"user_ids": ["U"]})
    assert answer.status_code == 202
    recompute_users(UUID(answer.json()["run_id"]))
    assert rows("SELECT user_id FROM user_embeddings") == [("U",)]
    chain = client.get(f"/events/{answer.json()['run_id']}").json()
    assert [(link["kind"], link["state"]) for link in chain["effects"]] == [
        (Kind.user_embedding, "fresh")
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 422),
        (b'{"users": ["U"]}', 422),
        (b'{"user_ids": "U"}', 422),
        (b'{"user_ids": [""]}', 422),
        (b'{"user_ids": ["nobody"]}', 404),
    ],
)
def test_a_wrong_request_to_recompute_is_refused(
    client: TestClient, body: bytes, status: int
) -> None:
    answer = client.post("/users/recompute", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert rows("SELECT * FROM runs") == []


def test_the_batch_can_be_processed_at_once_in_development(client: TestClient) -> None:
    posts()
    record(acted("U", "P0"), acted("V", "unknown"))
    body = client.get("/api/actions/batch-process").json()
    assert (body["processed"], sorted(body["user_ids"])) == (2, ["U", "V"])
    assert client.get(f"/runs/{body['run_id']}").json()["state"] == "done"
    assert interests("U") == pytest.approx(axis(0).tolist())


def test_the_batch_cannot_be_processed_over_http_in_production(
    client: TestClient, configure: Configure
) -> None:
    import hashlib

    digest = hashlib.sha256(b"secret").hexdigest()
    configure(KINFOLD_ENV="production", API_KEYS=f"ops:admin:{digest}")
    answer = client.get("/api/actions/batch-process", headers={"Authorization": "Bearer secret"})
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_path")
    assert rows("SELECT * FROM runs") == []


def test_the_contract_of_users_allows_for_their_schedule(client: TestClient) -> None:
    posts()
    record(acted("U", "P0"))
    change("UPDATE freshness SET stale_since = now() - interval '2 hours' WHERE key = 'U'")

    def users() -> dict[str, Any]:
        kinds = json.loads(client.get("/freshness").content)["kinds"]
        return next(kind for kind in kinds if kind["kind"] == Kind.user_embedding)

    assert (users()["stale"], users()["ok"], users()["limit_s"]) == (1, True, 9000)
    change("UPDATE freshness SET stale_since = now() - interval '3 hours' WHERE key = 'U'")
    assert not users()["ok"]


def test_similar_users_are_found_by_an_index_once_there_are_many(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MIN_USERS", 50)
    monkeypatch.setattr(index, "USERS_PER_LIST", 10)
    work_off(record(*(given_post(f"P{n}", vector(1, n / 40)) for n in range(60))).notifications)
    record(*(acted(f"U{n:02}", f"P{n}") for n in range(60)))
    with connect() as conn:
        assert not index.index_users(conn)
        recompute_all()
        assert index.index_users(conn)
        assert not index.index_users(conn)
    assert vector_indexes() == ["user_embeddings_ivfflat_8"]
    record(acted("U30", "P10", "view_post"))
    recompute_all()
    nearest = {each["user_id"] for each in ask(client, "U20", "similar", limit=2)["similar"]}
    assert nearest == {"U19", "U21"}
    record(*(acted(f"V{n:02}", f"P{n}") for n in range(60)))
    recompute_all()
    with connect() as conn:
        assert index.index_users(conn)
    assert vector_indexes() == ["user_embeddings_ivfflat_16"]


def vector_indexes() -> list[str]:
    return [
        name
        for (name,) in rows(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'user_embeddings'"
            " AND indexdef LIKE '%%ivfflat%%' ORDER BY 1"
        )
    ]
