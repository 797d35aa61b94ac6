"""POST /import/{table}: CSV over HTTP."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.library import borrowed, loans, record, rows, stale, stored

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parents[2] / "sample"
STUDENTS = "student_id,grade_level,age,homeroom_teacher,prior_year_reading_score,lunch_period"
CHECKOUTS = "checkout_id,student_id,book_id,checkout_date,return_date,student_rating"
CSV = {"content-type": "text/csv"}
NOTHING = {"rows": 0, "inserted": 0, "updated": 0, "unchanged": 0, "failed": 0, "errors": []}


def post(client: TestClient, table: str, *lines: str, **headers: str) -> httpx2.Response:
    content = "\n".join(lines).encode()
    return client.post(f"/import/{table}", content=content, headers=CSV | headers)


def problem_of(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


@pytest.mark.parametrize("table", ["catalog", "students", "checkouts"])
def test_the_sample_library_is_imported_and_a_second_time_unchanged(
    client: TestClient, table: str
) -> None:
    content = (SAMPLE / f"{table}.csv").read_bytes()
    first = client.post(f"/import/{table}", content=content, headers=CSV)
    assert first.status_code == 200
    count = first.json()["rows"]
    assert count > 100
    assert first.json() == NOTHING | {"rows": count, "inserted": count}
    again = client.post(f"/import/{table}", content=content, headers=CSV).json()
    assert again == NOTHING | {"rows": count, "unchanged": count}


def test_good_rows_are_stored_and_bad_ones_reported(client: TestClient) -> None:
    record(borrowed("S1"))
    answer = post(client, "students", STUDENTS, "S1,4,,,,", "S2,,,,,", "S3,x,,,,", "S4,,")
    assert answer.status_code == 200
    errors = answer.json().pop("errors")
    assert answer.json() | {"errors": []} == NOTHING | {
        "rows": 4,
        "inserted": 1,
        "updated": 1,
        "failed": 2,
    }
    assert [(error["line"], error["column"]) for error in errors] == [
        (4, "grade_level"),
        (5, "homeroom_teacher"),
    ]
    assert all(error["message"] for error in errors)
    assert rows("SELECT student_id, grade_level FROM students ORDER BY 1") == [
        ("S1", 4),
        ("S2", None),
    ]
    assert stale() == {"S1", "S2"}


def test_curl_may_send_a_file_without_saying_what_it_is(client: TestClient) -> None:
    lines = [CHECKOUTS, "C1,S1,B1,2026-03-01,,"]
    answer = post(
        client, "checkouts", *lines, **{"content-type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, answer.json()["inserted"]) == (200, 1)
    assert len(loans()) == 1


def test_a_wrong_header_is_sent_by_column_and_nothing_is_stored(client: TestClient) -> None:
    answer = post(client, "students", f"{STUDENTS},shoe_size", "S1,4,,,,,38")
    problem = problem_of(answer)
    assert answer.status_code == 422
    assert [(error["line"], error["column"]) for error in problem["errors"]] == [(1, "shoe_size")]
    assert "shoe_size" in problem["detail"]
    assert stored() == 0


def test_bodies_that_are_no_table_are_refused(client: TestClient) -> None:
    for content, status in {
        b"": 400,
        b" \r\n ": 400,
        b"\xff\xfe\x00": 422,
        b'{"student_id": "S1"}': 422,
        b"\0" * 100: 422,
        b"x" * 11_000_000: 413,
        b"\n" * 50_000_000: 413,
    }.items():
        answer = client.post("/import/students", content=content, headers=CSV)
        assert answer.status_code == status, content[:20]
        problem_of(answer)
    answer = post(client, "students", STUDENTS, "S1,,,,,", **{"content-type": "application/json"})
    assert answer.status_code == 415
    problem_of(answer)
    assert stored() == 0


def test_a_table_that_does_not_exist_is_sent_with_those_that_do(client: TestClient) -> None:
    problem = problem_of(post(client, "teachers", STUDENTS))
    assert (problem["status"], problem["reason"]) == (404, "unknown_table")
    assert "catalog, students, checkouts" in problem["detail"]
