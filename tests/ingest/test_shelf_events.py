"""What people say of books: readers' verdicts and the staff's picks."""

import json
from uuid import uuid4

import pytest

from workers.core.stores import connection
from workers.ingest.events import EVENT
from workers.ingest.record import record_events

pytestmark = pytest.mark.usefixtures("stores")


def record(*events: dict[str, object]) -> list[str]:
    return list(
        record_events([EVENT.validate_json(json.dumps(event)) for event in events]).outcomes
    )


def feedback(verdict: str, **fields: object) -> dict[str, object]:
    return {
        "event_type": "book_feedback",
        "student_id": "S1",
        "book_id": "B1",
        "verdict": verdict,
        **fields,
    }


def pick(**fields: object) -> dict[str, object]:
    return {"event_type": "staff_pick_added", "book_id": "B1", **fields}


UNPICK = {"event_type": "staff_pick_removed", "book_id": "B1"}


def rows(statement: str) -> list[tuple[object, ...]]:
    with connection() as conn:
        return conn.execute(statement).fetchall()


def test_a_verdict_is_stored_once_however_often_its_event_is_sent() -> None:
    event = feedback("hidden", event_id=str(uuid4()))
    assert record(event) == ["inserted"]
    assert record(event) == ["duplicate"]
    assert rows("SELECT student_id, book_id, verdict FROM book_feedback") == [
        ("S1", "B1", "hidden")
    ]


def test_a_verdict_may_come_before_its_student_and_its_book() -> None:
    record(feedback("liked"))
    assert rows("SELECT student_id FROM students") == [("S1",)]
    assert rows("SELECT book_id, title FROM books") == [("B1", None)]


def test_verdicts_go_with_the_student_and_with_the_book() -> None:
    record(feedback("liked"), feedback("shown", student_id="S2", book_id="B2"))
    record({"event_type": "student_deleted", "student_id": "S1"})
    record({"event_type": "book_deleted", "book_id": "B2"})
    assert rows("SELECT * FROM book_feedback") == []


def test_a_pick_keeps_the_fields_that_a_later_event_does_not_give() -> None:
    assert record(pick(grades=[3, 4], note="For the summer")) == ["inserted"]
    assert record(pick(until="2027-01-31")) == ["updated"]
    assert record(pick(until="2027-01-31")) == ["unchanged"]
    assert rows("SELECT grades, until::text, note FROM staff_picks") == [
        ([3, 4], "2027-01-31", "For the summer")
    ]


@pytest.mark.parametrize(
    ("events", "picked"),
    [([pick(), UNPICK], False), ([pick(), UNPICK, pick()], True), ([UNPICK], False)],
)
def test_picks_of_one_list_count_in_their_order(
    events: list[dict[str, object]], picked: bool
) -> None:
    record(*events)
    assert bool(rows("SELECT 1 FROM staff_picks")) is picked


def test_feedback_makes_nothing_stale() -> None:
    record(feedback("disliked"), pick())
    assert rows("SELECT kind FROM freshness") == []
