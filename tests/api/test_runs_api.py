"""Long jobs over HTTP: start, watch, cancel; and the graph's figures."""

import base64
import json
from uuid import UUID, uuid4

import numpy as np
import pytest
from starlette.testclient import TestClient

from routes.api import runs
from tests.graph import clustered, drain, store_vectors
from workers.neighbors.check import NeighborQuality, check_neighbors
from workers.neighbors.rebuild import rebuild_neighbors


def test_a_rebuild_can_be_started_and_watched(client: TestClient) -> None:
    vectors = {f"S{i:02}": v for i, v in enumerate(clustered(np.random.default_rng(9), 40, 256))}
    store_vectors(vectors)
    drain()
    answer = client.post("/neighbors/rebuild")
    assert answer.status_code == 202
    run_id = answer.json()["run_id"]
    assert client.get(f"/runs/{run_id}").json()["state"] == "queued"
    again = client.post("/neighbors/rebuild")
    assert (again.status_code, again.json()["run_id"]) == (409, run_id)
    rebuild_neighbors(UUID(run_id))
    run = client.get(f"/runs/{run_id}").json()
    assert (run["state"], run["done"], run["total"], run["eta_s"]) == ("done", 40, 40, None)
    assert client.post(f"/runs/{run_id}/cancel").status_code == 409


def test_a_queued_run_is_cancelled_at_once(client: TestClient) -> None:
    run_id = client.post("/neighbors/rebuild").json()["run_id"]
    answer = client.post(f"/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    rebuild_neighbors(UUID(run_id))
    assert client.get(f"/runs/{run_id}").json()["state"] == "cancelled"


def test_runs_are_listed_newest_first_in_pages(client: TestClient) -> None:
    made = []
    for _ in range(5):
        run_id = client.post("/neighbors/rebuild").json()["run_id"]
        client.post(f"/runs/{run_id}/cancel")
        made.append(run_id)
    first = client.get("/runs?limit=3").json()
    second = client.get("/runs", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    listed = [run["run_id"] for run in first["runs"] + second["runs"]]
    assert listed == made[::-1]
    assert second["next_cursor"] is None


def test_bad_run_ids_and_cursors_are_refused(client: TestClient) -> None:
    assert client.get(f"/runs/{uuid4()}").json()["reason"] == "unknown_run"
    assert client.get("/runs/nonsense").status_code == 422
    assert client.post(f"/runs/{uuid4()}/cancel").status_code == 404
    for cursor in ("x", "????", "YWJj", "é"):
        assert client.get("/runs", params={"cursor": cursor}).status_code == 422


@pytest.mark.parametrize(
    "parts",
    [
        ["2026-01-01T00:00:00+00:00", 5],
        [float("inf")],
        ["9223372036854775807"],
        ["-1"],
        ["a\0b"],
        ["2026-01-01T00:00:00+00:00", "a\0b"],
        ["2026-01-01T00:00:00+00:00", "\ud800"],
        {"2026-01-01T00:00:00+00:00": 1},
    ],
    ids=repr,
)
def test_a_cursor_that_no_list_gave_is_refused_whatever_it_holds(
    client: TestClient, parts: object
) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
    for path in (
        "/runs",
        "/audit",
        "/dead?kind=student_embedding",
        "/queues/live/messages",
        "/queues/live/messages?state=dead",
        "/schedules/rebuild_neighbors/firings",
    ):
        separator = "&" if "?" in path else "?"
        assert client.get(f"{path}{separator}cursor={cursor}").status_code in (404, 422), path


def test_the_graph_is_measured_for_one_request_at_a_time(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = []

    def measure() -> NeighborQuality:
        statuses.append(client.get("/neighbors/quality").status_code)
        return check_neighbors()

    monkeypatch.setattr(runs, "check_neighbors", measure)
    assert client.get("/neighbors/quality").status_code == 200
    assert client.get("/neighbors/quality").status_code == 200
    assert statuses == [429, 429]


def test_quality_is_measured_on_request(client: TestClient) -> None:
    vectors = {f"S{i:02}": v for i, v in enumerate(clustered(np.random.default_rng(10), 40, 256))}
    store_vectors(vectors)
    drain()
    quality = client.get("/neighbors/quality").json()
    assert (quality["students"], quality["recall"], quality["coverage"]) == (40, 1.0, 1.0)
