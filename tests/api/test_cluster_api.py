"""Freshness, health and metrics over HTTP."""

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.library import all_fresh, borrowed, change, record, student
from workers.core.vocabulary import Kind
from workers.students.recompute import recompute_student

NAMED = {  # R1.16
    "embeddings_generated",
    "embedding_generation_duration_ms",
    "invalid_embeddings",
    "openai_api_errors",
}


def kind_of(client: TestClient, kind: str = "student_embedding") -> dict[str, object]:
    body = client.get("/freshness").json()
    assert [each["kind"] for each in body["kinds"]] == list(Kind)
    assert body["ok"] == all(each["ok"] for each in body["kinds"])
    (found,) = (each for each in body["kinds"] if each["kind"] == kind)
    return dict(found)


def test_an_empty_library_is_fresh(client: TestClient) -> None:
    assert kind_of(client) == {
        "kind": "student_embedding",
        **{"total": 0, "fresh": 0, "stale": 0, "dead": 0},
        **{"coverage": 1.0, "oldest_stale_s": None, "limit_s": 60.0, "ok": True},
    }


def test_freshness_counts_fresh_stale_and_dead_keys(client: TestClient) -> None:
    record(*(student(f"S{n}") for n in range(4)))
    all_fresh()
    assert kind_of(client)["coverage"] == 1.0
    record(student("S1", age=9))
    found = kind_of(client)
    assert {name: found[name] for name in ("total", "fresh", "stale", "dead", "coverage")} == {
        **{"total": 4, "fresh": 3, "stale": 1, "dead": 0},
        "coverage": 0.75,
    }
    assert found["ok"] is True, "stale, but not for long"

    change("UPDATE freshness SET stale_since = now() - interval '61 s' WHERE key = 'S1'")
    found = kind_of(client)
    assert found["oldest_stale_s"] == pytest.approx(61, abs=30)
    assert found["ok"] is False

    change("UPDATE freshness SET dead_at = now() WHERE key = 'S1'")
    found = kind_of(client)
    assert (found["stale"], found["dead"], found["oldest_stale_s"]) == (0, 1, None)
    assert found["ok"] is False


def test_live_and_ready_say_so(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"ok": True}
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    body = answer.json()
    assert body["ok"] is True
    assert {name: store["ok"] for name, store in body["stores"].items()} == {
        "postgres": True,
        "redis": True,
    }
    assert all(store["latency_ms"] > 0 for store in body["stores"].values())


def metrics_of(client: TestClient) -> dict[str, Metric]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def test_metrics_show_every_name_before_anything_was_counted(client: TestClient) -> None:
    assert metrics_of(client).keys() >= NAMED


def test_metrics_count_accepted_events_and_not_the_duplicates(client: TestClient) -> None:
    event = {
        "event_id": "00000000-0000-0000-0000-000000000001",
        "event_type": "checkout_added",
        "student_id": "S1",
        "book_id": "B1",
        "checkout_date": "2026-03-01",
    }
    for _ in range(3):
        assert client.post("/events", json=event).status_code == 202
    (sample,) = metrics_of(client)["events_accepted"].samples
    assert (sample.labels, sample.value) == ({"event_type": "checkout_added"}, 1.0)


def test_metrics_show_the_ledger_and_what_the_workers_did(client: TestClient) -> None:
    record(borrowed("S1"), borrowed("S2"))
    families = metrics_of(client)
    stale = {each.labels["kind"]: each.value for each in families["freshness_stale"].samples}
    assert stale == dict.fromkeys(Kind, 0) | {"student_embedding": 2}

    recompute_student("S1")
    families = metrics_of(client)
    stale = {each.labels["kind"]: each.value for each in families["freshness_stale"].samples}
    assert stale == dict.fromkeys(Kind, 0) | {"student_neighbors": 2}
    (generated,) = families["embeddings_generated"].samples
    assert generated.value >= 1
    durations = families["embedding_generation_duration_ms"].samples
    (count,) = (each.value for each in durations if each.name.endswith("_count"))
    (highest,) = (each.value for each in durations if each.labels.get("le") == "+Inf")
    assert count == highest >= 1
