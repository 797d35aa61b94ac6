"""Recommendations over HTTP, from real loans in a real database."""

from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from tests.shelf import book, feedback, lend, loan, record, student
from workers.core.stores import connection

pytestmark = pytest.mark.slow


@pytest.fixture
def library(stores: None) -> None:
    """Forty books, twenty readers, and a model of their loans."""
    lend()


def ask(client: TestClient, **body: object) -> dict[str, object]:
    answer = client.post("/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, object]) -> list[str]:
    return [item["book_id"] for item in answer["items"]]  # type: ignore[attr-defined]


def of(client: TestClient, name: str, limit: int = 10) -> dict[str, object]:
    answer = client.get(f"/students/{name}/recommendations?limit={limit}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_student_gets_unread_books_with_parts_that_sum_and_reasons(
    library: None, client: TestClient
) -> None:
    answer = of(client, "S0")
    with connection() as conn:
        read = {
            row[0] for row in conn.execute("SELECT book_id FROM checkouts WHERE student_id = 'S0'")
        }
    assert len(set(ids(answer))) == 10
    assert not read & set(ids(answer))
    for item in answer["items"]:  # type: ignore[attr-defined]
        assert item["score"] == pytest.approx(sum(item["parts"].values()), abs=1e-6)
        assert item["reasons"] and all(reason["text"] for reason in item["reasons"])
    assert answer["model_version"] is not None
    assert answer["based_on"] == "loans"


def test_readers_of_even_books_are_offered_even_ones_first(
    library: None, client: TestClient
) -> None:
    first = ids(of(client, "S0", 3))
    assert all(int(book_id[1:]) % 2 == 0 for book_id in first), first


def test_a_loan_counts_in_the_very_next_answer(library: None, client: TestClient) -> None:
    before = of(client, "S0")
    taken = ids(before)[0]
    answer = client.post("/events", json=loan("S0", int(taken[1:]), days_ago=0))
    assert answer.status_code == 202
    after = of(client, "S0")
    assert taken not in ids(after)
    parts = {item["book_id"]: item["parts"] for item in before["items"]}  # type: ignore[attr-defined]
    moved = [
        item["book_id"]
        for item in after["items"]  # type: ignore[attr-defined]
        if item["parts"]["readers"] != parts.get(item["book_id"], {}).get("readers")
    ]
    assert moved


@pytest.mark.parametrize("verdict", ["hidden", "disliked"])
def test_a_verdict_against_a_book_counts_in_the_very_next_answer(
    library: None, client: TestClient, verdict: str
) -> None:
    unwanted = ids(of(client, "S1"))[0]
    assert client.post("/events", json=feedback("S1", unwanted, verdict)).status_code == 202
    answer = of(client, "S1", 40)
    assert unwanted not in ids(answer)
    assert answer["excluded_counts"][verdict] == 1  # type: ignore[index]


def test_a_shown_book_rotates_out_unless_asked_for(library: None, client: TestClient) -> None:
    shown = ids(of(client, "S1"))[0]
    client.post("/events", json=feedback("S1", shown, "shown"))
    assert shown not in ids(ask(client, student_id="S1"))
    assert shown in ids(ask(client, student_id="S1", exclude_shown=False))


def test_a_deleted_book_leaves_answers_at_once(library: None, client: TestClient) -> None:
    gone = ids(of(client, "S1"))[0]
    client.post("/events", json={"event_type": "book_deleted", "book_id": gone})
    assert gone not in ids(of(client, "S1"))


def test_a_book_whose_last_copy_goes_out_leaves_answers_at_once(
    library: None, client: TestClient
) -> None:
    out = ids(of(client, "S1"))[0]
    record({**book(int(out[1:])), "copies_total": 1, "copies_available": 0})
    assert out not in ids(of(client, "S1"))
    assert out in ids(ask(client, student_id="S1", limit=40, filter={"available": False}))


def test_a_staff_pick_is_in_the_next_answer_with_its_reason(
    library: None, client: TestClient
) -> None:
    before = ask(client, student_id="S1", limit=40)
    last = ids(before)[-1]
    record({"event_type": "staff_pick_added", "book_id": last, "grades": [4]})
    item = next(
        item
        for item in ask(client, student_id="S1", limit=40)["items"]  # type: ignore[attr-defined]
        if item["book_id"] == last
    )
    assert item["parts"]["staff_pick"] == pytest.approx(0.05)
    assert "Picked by your librarian." in [reason["text"] for reason in item["reasons"]]


def test_every_item_fits_the_filter(library: None, client: TestClient) -> None:
    record(book(50, reading_level=8.5), book(51, reading_level=8.5, genre=["dogs"]))
    answer = ask(client, student_id="S1", filter={"level": [3, 5], "genres": ["Dogs"]}, limit=40)
    items = answer["items"]
    assert items
    assert all(3 <= item["level"] <= 5 for item in items)  # type: ignore[attr-defined]
    assert all(int(item["book_id"][1:]) % 2 == 0 for item in items)  # type: ignore[attr-defined]


def test_the_next_page_repeats_nothing_and_pages_end(library: None, client: TestClient) -> None:
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        answer = ask(client, student_id="S1", limit=8, **({"cursor": cursor} if cursor else {}))
        seen += ids(answer)
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert cursor is None
    assert len(seen) == len(set(seen))


def test_an_answer_is_given_again_as_it_was(library: None, client: TestClient) -> None:
    answer = of(client, "S1")
    record(feedback("S1", ids(answer)[0], "hidden"))
    again = client.get(f"/recommendations/{answer['recommendation_id']}")
    assert again.json() == answer


def test_answers_go_with_the_student(library: None, client: TestClient) -> None:
    alone = of(client, "S1")
    together = ask(client, student_ids=["S1", "S2"])
    client.post("/events", json={"event_type": "student_deleted", "student_id": "S1"})
    for answer in (alone, together):
        path = f"/recommendations/{answer['recommendation_id']}"
        assert client.get(path).status_code == 404


def test_a_class_reads_whom_a_book_suits_and_who_has_read_it(
    library: None, client: TestClient
) -> None:
    answer = ask(client, student_ids=["S0", "S1", "S2"], limit=5)
    assert answer["based_on"] == "group"
    for item in answer["items"]:  # type: ignore[attr-defined]
        assert 2 <= item["suited"] <= 3
        assert item["score"] == pytest.approx(sum(item["parts"].values()), abs=1e-6)


def test_readers_of_a_book_also_borrowed(library: None, client: TestClient) -> None:
    answer = ask(client, book_id="B04", limit=3)
    assert all(int(book_id[1:]) % 2 == 0 for book_id in ids(answer))
    assert answer["items"][0]["reasons"][0]["text"] == "Readers of Book 4 also borrowed it."  # type: ignore[index]


def test_the_same_state_and_question_give_the_same_answer(
    library: None, client: TestClient
) -> None:
    first, second = of(client, "S3"), of(client, "S3")
    assert {**first, "recommendation_id": 0, "next_cursor": 0} == {
        **second,
        "recommendation_id": 0,
        "next_cursor": 0,
    }


def test_why_a_book_is_not_there(library: None, client: TestClient) -> None:
    record(feedback("S1", "B30", "hidden"), book(60, reading_level=9.0))
    path = "/students/S1/recommendations/explain?book_id="
    assert client.get(path + "B30").json()["rule"] == "hidden"
    listed = ids(of(client, "S1"))[0]
    there = client.get(path + listed).json()
    assert (there["rule"], there["rank"], there["listed"]) == (None, 1, True)
    assert client.get(path + "B99").status_code == 404


# Never blank.


def test_an_unknown_student_is_404(library: None, client: TestClient) -> None:
    answer = client.get("/students/nobody/recommendations")
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_student")


def test_a_student_without_loans_gets_what_their_grade_borrows(
    library: None, client: TestClient
) -> None:
    record(student("NEW"))
    answer = of(client, "NEW")
    assert len(ids(answer)) == 10
    assert "no_loans" in answer["degraded"]  # type: ignore[operator]
    assert answer["based_on"] in ("level", "catalogue")


def test_without_a_model_answers_say_so(stores: None, client: TestClient) -> None:
    record(*(book(number) for number in range(20)), student("S1"), loan("S1", 1))
    answer = of(client, "S1")
    assert len(ids(answer)) == 10
    assert "no_model" in answer["degraded"]  # type: ignore[operator]
    assert answer["model_version"] is None


def test_too_few_books_are_said(stores: None, client: TestClient) -> None:
    record(*(book(number, reading_level=12.0) for number in range(4)), student("S1"))
    record(loan("S1", 1))
    answer = of(client, "S1")
    assert len(ids(answer)) == 3
    assert "too_few" in answer["degraded"]  # type: ignore[operator]
    assert answer["next_cursor"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"student_id": "S1", "book_id": "B1"},
        {"student_id": "S1", "limit": 51},
        {"student_id": "S1", "filter": {"level": [5, 21]}},
        {"student_ids": []},
        {"student_id": "S1", "unknown": 1},
    ],
)
def test_a_question_that_makes_no_sense_is_422(
    stores: None, client: TestClient, body: dict[str, object]
) -> None:
    assert client.post("/recommendations", json=body).status_code == 422


def test_an_unknown_answer_is_404(stores: None, client: TestClient) -> None:
    assert client.get(f"/recommendations/{uuid4()}").status_code == 404
    assert client.get("/recommendations/what").status_code == 422
