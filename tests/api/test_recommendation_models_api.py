"""Models with a pointer, weights with versions, and what became of answers."""

from datetime import timedelta
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from tests.shelf import TODAY, feedback, lend, loan, record
from workers.books.build_model import build_model
from workers.core.stores import connection
from workers.jobs.runs import RunKind, create_run, read_run

pytestmark = pytest.mark.slow


@pytest.fixture
def library(stores: None) -> None:
    """Forty books, twenty readers, and a model of their loans."""
    lend()


def models(client: TestClient) -> list[tuple[int, bool]]:
    answer = client.get("/recommendations/models").json()
    return [(model["model_id"], model["active"]) for model in answer]


def test_a_new_model_is_read_and_the_one_before_comes_back(
    library: None, client: TestClient
) -> None:
    ((first, _),) = models(client)
    second = build_model(create_run(RunKind.recommendation_model))
    assert models(client) == [(second, True), (first, False)]
    assert client.get("/students/S1/recommendations").json()["model_version"] == second
    assert client.post("/recommendations/models/rollback").json()["model_id"] == first
    assert client.get("/students/S1/recommendations").json()["model_version"] == first
    assert client.post(f"/recommendations/models/{second}/activate").json()["active"]


def test_only_a_finished_model_can_be_read(library: None, client: TestClient) -> None:
    with connection() as conn:
        conn.execute("INSERT INTO recommendation_models (run_id) VALUES (%s)", [uuid4()])
    building = models(client)[0][0]
    answer = client.post(f"/recommendations/models/{building}/activate")
    assert (answer.status_code, answer.json()["reason"]) == (409, "not_ready")
    assert client.post("/recommendations/models/999/activate").status_code == 404


def test_a_rollback_without_a_model_before_is_refused(library: None, client: TestClient) -> None:
    assert client.post("/recommendations/models/rollback").status_code == 409


def test_a_model_is_built_by_a_run(library: None, client: TestClient) -> None:
    answer = client.post("/recommendations/models")
    assert answer.status_code == 202
    run_id = answer.json()["run_id"]
    build_model(run_id)
    assert read_run(run_id).state == "done"
    assert read_run(run_id).progress == 1


def test_a_library_without_loans_has_no_model_and_its_run_is_done(
    stores: None, client: TestClient
) -> None:
    run_id = create_run(RunKind.recommendation_model)
    assert build_model(run_id) is None
    assert read_run(run_id).state == "done"
    assert models(client) == []


def test_deleted_books_and_students_leave_the_next_model(library: None, client: TestClient) -> None:
    before = client.get("/recommendations/models").json()[0]
    record({"event_type": "book_deleted", "book_id": "B04"})
    record({"event_type": "student_deleted", "student_id": "S1"})
    build_model(create_run(RunKind.recommendation_model))
    after = client.get("/recommendations/models").json()[0]
    assert after["books"] == before["books"] - 1
    assert after["students"] == before["students"] - 1


def test_weights_hold_from_the_next_answer_on_and_come_back(
    library: None, client: TestClient
) -> None:
    assert [each["version"] for each in client.get("/recommendations/weights").json()] == [0]
    version = client.put("/recommendations/weights", json={"readers": 1}).json()["version"]
    answer = client.get("/students/S1/recommendations").json()
    assert answer["weights_version"] == version
    parts = answer["items"][0]["parts"]
    assert parts["readers"] == pytest.approx(1)
    assert {name for name, part in parts.items() if part} == {"readers"}
    restored = client.post("/recommendations/weights/0/restore").json()["version"]
    answer = client.get("/students/S1/recommendations").json()
    assert answer["weights_version"] == restored
    newest = client.get("/recommendations/weights").json()[0]
    assert (newest["version"], newest["weights"]["content"]) == (restored, 0.4)


@pytest.mark.parametrize("weights", [{"readers": -1}, {"readers": 11}, {"unknown": 1}])
def test_weights_that_make_no_sense_are_refused(
    library: None, client: TestClient, weights: dict[str, float]
) -> None:
    assert client.put("/recommendations/weights", json=weights).status_code == 422
    assert len(client.get("/recommendations/weights").json()) == 1


def test_a_later_loan_of_a_recommended_book_is_joined_by_itself(
    library: None, client: TestClient
) -> None:
    items = client.get("/students/S1/recommendations?limit=4").json()["items"]
    taken = items[0]["book_id"]
    record(loan("S1", int(taken[1:]), days_ago=0), feedback("S1", items[1]["book_id"], "liked"))
    quality = client.get("/recommendations/quality").json()
    (week,) = quality["weeks"]
    assert (week["students"], week["given"], week["borrowed"]) == (1, 4, 1)
    assert week["coverage"] == pytest.approx(4 / 40)
    assert 0 <= week["head_share"] <= 1
    assert quality["model"]["active"]
    assert quality["model_age_s"] < timedelta(hours=1).total_seconds()
    (verdicts,) = quality["verdicts"].values()
    assert verdicts == {"liked": 1}
    assert TODAY.isoformat() >= week["week"]
