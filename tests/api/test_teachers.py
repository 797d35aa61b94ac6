"""A teacher's key: the children of its homerooms, as if there were no others."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from api import OPERATIONS
from tests.api.test_access import API_KEYS, HOMEROOM, SECRETS, let_teachers_in, with_key
from tests.library import book, borrowed, record, rows, student
from workers.core.api_keys import Role

# What a teacher may ask beside what names a child in its path; each looks at whose it is.
OTHERWISE_GUARDED = {"/recommendations", "/recommendations/{recommendation_id}"}
ABOUT_NO_CHILD = {"/books/search", "/books/{book_id}", "/books/{book_id}/similar"}


@pytest.fixture
def teacher(client: TestClient, configure: Callable[..., None]) -> TestClient:
    """S1 is a child of the teacher's, S2 is not, S3 is in no homeroom."""
    configure(API_KEYS=API_KEYS)
    let_teachers_in()
    record(
        student("S1", homeroom_teacher=HOMEROOM),
        student("S2", homeroom_teacher="Mr. Varga"),
        student("S3"),
        book("B1", "One"),
        borrowed("S1"),
    )
    client.headers.update(with_key(SECRETS[Role.teacher]))
    return client


def test_a_teacher_is_answered_about_children_of_theirs_alone_on_every_route(
    teacher: TestClient, subtests: pytest.Subtests
) -> None:
    guarded = [each for each in OPERATIONS if each.names_child]
    assert len(guarded) >= 3
    for operation in guarded:
        with subtests.test(path=operation.path):
            path = operation.path + "?book_id=B1"
            own = teacher.request(operation.method, path.format(student_id="S1"))
            assert own.status_code == 200, own.text
            unknown = teacher.request(operation.method, path.format(student_id="S9")).json()
            for other in ("S2", "S3"):
                answer = teacher.request(operation.method, path.format(student_id=other))
                assert answer.status_code == 404
                told = str(answer.json()).replace(other, "S9")
                same = answer.json()["request_id"], unknown["request_id"]
                assert told.replace(*same) == str(unknown), "no other answer than of nobody"


def test_whatever_a_teacher_may_call_is_known_to_look_at_whose_child_it_is() -> None:
    open_to_teachers = {each.path for each in OPERATIONS if Role.teacher in each.also}
    named = {each.path for each in OPERATIONS if each.names_child}
    assert open_to_teachers == named | OTHERWISE_GUARDED | ABOUT_NO_CHILD


@pytest.mark.parametrize(
    "asked",
    [{"student_id": "S2"}, {"student_ids": ["S1", "S2"]}, {"student_ids": ["S1", "S9"]}],
)
def test_a_teacher_gets_no_list_for_children_of_others(
    teacher: TestClient, asked: dict[str, Any]
) -> None:
    assert teacher.post("/recommendations", json={"student_ids": ["S1"]}).status_code == 200
    answer = teacher.post("/recommendations", json=asked)
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_student")


def test_a_teacher_does_not_see_an_answer_about_children_of_others_again(
    teacher: TestClient,
) -> None:
    librarian = with_key(SECRETS[Role.librarian])
    for asked, status in (
        ({"student_id": "S1"}, 200),
        ({"book_id": "B1"}, 200),
        ({"student_id": "S2"}, 404),
        ({"student_ids": ["S1", "S2"]}, 404),
    ):
        given = teacher.post("/recommendations", json=asked, headers=librarian).json()
        path = f"/recommendations/{given['recommendation_id']}"
        assert teacher.get(path, headers=librarian).status_code == 200
        assert teacher.get(path).status_code == status
        following = {"student_id": "S1", "cursor": given["recommendation_id"]}
        assert teacher.post("/recommendations", json=following).status_code == status


def test_a_librarian_says_what_people_think_of_books_and_no_other_facts(
    teacher: TestClient,
) -> None:
    librarian = with_key(SECRETS[Role.librarian])
    opinion = {"student_id": "S1", "book_id": "B1"}
    for event, status in (
        ({"event_type": "book_feedback", **opinion, "verdict": "hidden"}, 202),
        ({"event_type": "staff_pick_added", "book_id": "B1"}, 202),
        ({"event_type": "student_deleted", "student_id": "S1"}, 403),
        ({"event_type": "checkout_added", **opinion, "checkout_date": "2026-01-01"}, 403),
    ):
        answer = teacher.post("/events", json=event, headers=librarian)
        assert answer.status_code == status, event
        assert teacher.post("/events", json=event).status_code == 403, "and a teacher none here"
    assert rows("SELECT count(*) FROM students") == [(3,)]
    assert rows("SELECT count(*) FROM checkouts") == [(1,)]
