"""The recommendations' contract: the model's age, and whose answer does without something."""

from dataclasses import asdict

import pytest
from starlette.testclient import TestClient

from tests.library import change
from tests.shelf import book, lend, loan, record, student
from workers.books.contract import check_recommendations, read_contract
from workers.core.settings import settings
from workers.core.stores import connection

pytestmark = pytest.mark.slow


def shown(client: TestClient) -> dict[str, object]:
    found: dict[str, object] = client.get("/freshness").json()["recommendations"]
    return found


def test_before_anything_nothing_is_promised(client: TestClient) -> None:
    found = shown(client)
    assert (found["model_id"], found["model_age_s"], found["degraded_share"]) == (None, None, None)
    assert found["ok"]
    check_recommendations()
    assert shown(client)["degraded_share"] == 0
    assert "recommendation_model_age_s" not in client.get("/metrics").text


def test_students_whose_answer_does_without_something_are_counted_as_answers_say(
    client: TestClient,
) -> None:
    lend()
    record(student("NEW"), student("ALONE"), loan("ALONE", 3), loan("STUB", 99))
    with connection() as conn:
        conn.execute(
            "INSERT INTO student_similarity (a, b, sim)"
            " SELECT 'S' || n, 'S' || (n + 2) % 20, 0.5 FROM generate_series(0, 19) AS n"
        )
        conn.execute("INSERT INTO student_similarity (a, b, sim) VALUES ('ALONE', 'NEW', 0.5)")
        conn.execute(
            "INSERT INTO book_embeddings (book_id, model, dimensions, content_hash, vec)"
            " SELECT 'B01', %(model)s, %(dimensions)s, sha256(''),"
            " array_fill(0.5, ARRAY[%(dimensions)s])::halfvec",
            asdict(settings().student_embedding),
        )
    check_recommendations()
    students = [row[0] for row in rows_of("SELECT student_id FROM students")]
    degraded = [
        set(client.get(f"/students/{each}/recommendations").json()["degraded"]) for each in students
    ]
    lacking = sum(bool(each & {"no_loans", "no_neighbors"}) for each in degraded)
    found = shown(client)
    assert (found["students"], found["no_loans"], found["no_neighbors"]) == (23, 2, 3)
    assert found["degraded_share"] == pytest.approx(lacking / 23)
    assert lacking == 3


def rows_of(sql: str) -> list[tuple[str]]:
    with connection() as conn:
        return conn.execute(sql).fetchall()


def test_without_a_model_every_answer_is_degraded(client: TestClient) -> None:
    record(book(1), student("S1"), loan("S1", 1))
    check_recommendations()
    assert shown(client)["degraded_share"] == 1


def test_a_model_beyond_its_limit_breaks_the_contract_and_is_told(client: TestClient) -> None:
    lend()
    assert shown(client)["ok"]
    assert "recommendation model is" not in client.get("/console").text
    change("UPDATE recommendation_models SET ready_at = now() - interval '49 hours'")
    answer = client.get("/freshness").json()
    assert not answer["recommendations"]["ok"]
    assert not answer["ok"]
    assert read_contract().limit_s == 48 * 3600
    assert "The recommendation model is 2 d" in client.get("/").text
    metrics = client.get("/metrics").text
    assert "recommendation_model_limit_s 172800.0" in metrics
    assert "recommendations_degraded_share 1.0" in metrics
