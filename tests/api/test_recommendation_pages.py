"""Pages of recommendations, what comes again and when, and the same answer in every process."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.library import change, rows
from tests.shelf import feedback, lend, record
from workers.books.arrays import Scoring
from workers.books.recommend import recommend
from workers.books.wanted import Answer, Wanted

BOOKS = 40


@pytest.fixture
def library(stores: None) -> None:
    """Forty books, twenty readers, and a model of their loans."""
    lend()


def ask(client: TestClient, **body: object) -> dict[str, object]:
    answer = client.post("/recommendations", json={"student_id": "S1", **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, object]) -> list[str]:
    return [item["book_id"] for item in answer["items"]]  # type: ignore[attr-defined]


def borrowed(name: str) -> set[str]:
    return {row[0] for row in rows("SELECT book_id FROM checkouts WHERE student_id = %s", name)}


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_pages_together_are_every_unread_book_once(
    library: None, client: TestClient, limit: int
) -> None:
    found: list[str] = []
    cursor: dict[str, object] = {}
    while True:
        answer = ask(client, limit=limit, **cursor)
        found += ids(answer)
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert len(found) == len(set(found))
    assert set(found) == {f"B{n:02}" for n in range(BOOKS)} - borrowed("S1")


def test_a_page_keeps_out_what_happened_since_the_one_before(
    library: None, client: TestClient
) -> None:
    expected = ids(ask(client, limit=10))
    first = ask(client, limit=5)
    assert ids(first) == expected[:5]
    record(feedback("S1", expected[5], "hidden"))
    second = ids(ask(client, limit=5, cursor=first["next_cursor"]))
    assert expected[5] not in second
    assert not set(second) & set(ids(first))


def test_what_was_shown_comes_again_after_a_day(library: None, client: TestClient) -> None:
    shown = ids(ask(client))
    record(*(feedback("S1", book_id, "shown") for book_id in shown[:5]))
    assert not set(ids(ask(client))) & set(shown[:5])
    change("UPDATE book_feedback SET given_at = now() - interval '25 hours'")
    assert ids(ask(client)) == shown


def test_what_was_shown_comes_before_less_than_was_asked_for(
    library: None, client: TestClient
) -> None:
    record(*(feedback("S1", f"B{n:02}", "shown") for n in range(BOOKS)))
    answer = ask(client)
    assert len(ids(answer)) == 10
    assert answer["degraded"] == ["no_vectors", "no_neighbors", "shown_again"]


def test_what_was_read_comes_again_only_when_asked_for(library: None, client: TestClient) -> None:
    read = borrowed("S1")
    assert not set(ids(ask(client, limit=50))) & read
    assert set(ids(ask(client, limit=50, exclude_seen=False))) >= read


def test_processes_that_know_the_same_answer_the_same(library: None) -> None:
    record(feedback("S3", "B30", "liked"), {"event_type": "staff_pick_added", "book_id": "B31"})
    questions = (
        Wanted(student_ids=("S3",)),
        Wanted(student_ids=("S1", "S2", "S3"), limit=5),
        Wanted(book_id="B04"),
        Wanted(student_ids=("S3",), query="books about dogs"),
    )
    for wanted in questions:
        one, other = (answer_of_a_new_process(wanted) for _ in range(2))
        assert one == other


def answer_of_a_new_process(wanted: Wanted) -> Answer:
    scoring = Scoring()
    try:
        return replace(recommend(scoring, wanted), recommendation_id=None, next_cursor=None)
    finally:
        scoring.close()
