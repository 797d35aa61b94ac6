"""What each event does to the facts, the log of events and the ledger."""

from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.library import (
    DAY,
    all_fresh,
    book,
    borrowed,
    fact,
    loans,
    record,
    returned,
    rows,
    stale,
    stored,
    student,
)
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ledger.freshness import Notification

EVERY_FACT_OF_A_STUDENT = {
    "grade_level": 4,
    "age": 9,
    "homeroom_teacher": "Ms. Abara",
    "prior_year_reading_score": 3.5,
    "lunch_period": "2",
}
EVERY_FACT_OF_A_BOOK = {
    "title": 'Frog, "Toad" and I',
    "author": "A. Lobel",
    "isbn": "978-0",
    "genre": ["fantasy", "friendship"],
    "keywords": ["pond"],
    "description": "Two lines\nof text",
    "page_count": 64,
    "publication_year": 1970,
    "difficulty_band": "beginner",
    "reading_level": 1.5,
    "average_rating": 4.5,
    "language": "en-gb",
    "series": "Frog and Toad",
    "series_number": 1.5,
    "copies_total": 3,
    "copies_available": 0,
    "cover_url": "https://covers.example/frog%20toad.jpg?size=ä",
}


@pytest.fixture(autouse=True)
def _library(stores: None) -> None:
    """Every test begins with an empty one."""


def row_of(table: str, key: str, names: dict[str, object]) -> dict[str, object]:
    statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.Identifier(table),
        sql.Identifier(f"{table[:-1]}_id"),
    )
    with connection() as conn:
        values = conn.execute(statement, (key,)).fetchone()
    assert values is not None
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize("event_type", ["student_added", "student_updated"])
def test_a_student_is_stored_with_every_fact_and_becomes_stale(event_type: str) -> None:
    recorded = record(fact(event_type, student_id="S1", **EVERY_FACT_OF_A_STUDENT))
    assert row_of("students", "S1", EVERY_FACT_OF_A_STUDENT) == EVERY_FACT_OF_A_STUDENT
    assert recorded.outcomes == ["inserted"]
    assert stale() == {"S1"}


@pytest.mark.parametrize("event_type", ["book_added", "book_updated"])
def test_a_book_is_stored_with_every_fact_and_makes_no_reader_stale(event_type: str) -> None:
    recorded = record(fact(event_type, book_id="B1", **EVERY_FACT_OF_A_BOOK))
    assert row_of("books", "B1", EVERY_FACT_OF_A_BOOK) == EVERY_FACT_OF_A_BOOK
    assert recorded.outcomes == ["inserted"]
    assert recorded.notifications == [Notification(Kind.book_embedding, "B1")]


def test_a_loan_is_stored_and_its_student_becomes_stale() -> None:
    record(student("S1"), book("B1", "One"))
    all_fresh()
    recorded = record(borrowed(return_date="2026-03-04", student_rating=5, checkout_id="C1"))
    assert loans() == [("S1", "B1", DAY, "2026-03-04", 5, "C1")]
    assert recorded.outcomes == ["inserted"]
    assert [(each.kind, each.key) for each in recorded.notifications] == [
        ("student_embedding", "S1")
    ]


def test_a_returned_book_completes_the_loan_and_makes_its_student_stale() -> None:
    record(borrowed(checkout_id="C1"))
    all_fresh()
    assert record(returned(return_date="2026-03-09", student_rating=2)).outcomes == ["updated"]
    assert loans() == [("S1", "B1", DAY, "2026-03-09", 2, "C1")]
    assert stale() == {"S1"}


def test_a_loan_of_unknown_student_and_book_makes_stubs_that_their_own_events_fill() -> None:
    record(borrowed())
    assert rows("SELECT student_id, grade_level FROM students") == [("S1", None)]
    assert rows("SELECT book_id, title, genre FROM books") == [("B1", None, [])]
    all_fresh()
    record(fact("student_added", student_id="S1", **EVERY_FACT_OF_A_STUDENT))
    assert row_of("students", "S1", EVERY_FACT_OF_A_STUDENT) == EVERY_FACT_OF_A_STUDENT
    all_fresh()
    record(fact("book_added", book_id="B1", **EVERY_FACT_OF_A_BOOK))
    assert row_of("books", "B1", EVERY_FACT_OF_A_BOOK) == EVERY_FACT_OF_A_BOOK
    assert stale() == {"S1"}


def test_a_return_sent_before_its_loan_is_not_erased_by_it() -> None:
    record(returned(return_date="2026-03-09", student_rating=4))
    record(borrowed(checkout_id="C1"))
    assert loans() == [("S1", "B1", DAY, "2026-03-09", 4, "C1")]


def test_null_clears_and_a_field_that_is_not_given_stays() -> None:
    record(fact("student_added", student_id="S1", **EVERY_FACT_OF_A_STUDENT))
    record(fact("student_updated", student_id="S1", age=None, grade_level=5))
    expected = EVERY_FACT_OF_A_STUDENT | {"age": None, "grade_level": 5}
    assert row_of("students", "S1", expected) == expected

    record(fact("book_added", book_id="B1", **EVERY_FACT_OF_A_BOOK))
    record(fact("book_updated", book_id="B1", title="Two", isbn=None, genre=[]))
    expected = EVERY_FACT_OF_A_BOOK | {"title": "Two", "isbn": None, "genre": []}
    assert row_of("books", "B1", expected) == expected

    record(borrowed(return_date="2026-03-04", student_rating=5, checkout_id="C1"))
    record(borrowed(return_date=None))
    assert loans() == [("S1", "B1", DAY, None, 5, "C1")]


def test_facts_that_are_known_already_make_nothing_stale() -> None:
    events = [
        fact("student_added", student_id="S1", **EVERY_FACT_OF_A_STUDENT),
        fact("book_added", book_id="B1", **EVERY_FACT_OF_A_BOOK),
        borrowed(return_date="2026-03-04", student_rating=5, checkout_id="C1"),
    ]
    record(*events)
    all_fresh()
    recorded = record(*events)
    assert recorded.outcomes == ["unchanged"] * 3
    assert recorded.notifications == []
    assert stale() == set()


def test_a_row_sent_in_two_versions_of_which_the_last_is_known_is_unchanged() -> None:
    versions = [student("S1", age=9), student("S1", age=10)]
    record(*versions)
    all_fresh()
    assert record(*versions).outcomes == ["unchanged", "unchanged"]
    assert stale() == set()


def test_numbers_too_small_for_the_table_are_stored_as_zero() -> None:
    record(student("S1", prior_year_reading_score=1e-50), book("B1", "One", reading_level=5e-324))
    assert rows("SELECT prior_year_reading_score, reading_level FROM students, books") == [(0, 0)]


def test_a_changed_book_makes_its_readers_stale_and_nobody_else() -> None:
    record(book("B1", "One"), borrowed("S1", "B1"), borrowed("S2", "B1"), borrowed("S3", "B2"))
    all_fresh()
    record(book("B1", "One, revised"))
    assert stale() == {"S1", "S2"}


def test_copies_that_come_and_go_make_nobody_stale() -> None:
    record(book("B1", "One", copies_total=2), borrowed("S1", "B1"))
    all_fresh()
    assert record(book("B1", "One", copies_available=1)).outcomes == ["updated"]
    assert rows("SELECT copies_total, copies_available FROM books") == [(2, 1)]
    assert stale() == set()


def test_the_same_id_twice_in_one_list_counts_once() -> None:
    event_id = uuid4()
    first, second = student("S1", age=8, event_id=event_id), student("S2", event_id=event_id)
    recorded = record(first, second)
    assert recorded.outcomes == ["inserted", "duplicate"]
    assert recorded.duplicates == 1
    assert recorded.event_ids == [event_id, event_id]
    assert rows("SELECT student_id FROM students") == [("S1",)]


def test_an_id_that_was_accepted_before_does_nothing_again() -> None:
    event = student("S1", age=8, event_id=uuid4())
    record(event)
    record(student("S1", age=9))
    all_fresh()
    recorded = record(event, student("S2"))
    assert recorded.outcomes == ["duplicate", "inserted"]
    assert rows("SELECT student_id, age FROM students ORDER BY 1") == [("S1", 9), ("S2", None)]
    assert stale() == {"S2"}


def test_events_without_an_id_get_one_each_and_are_logged_without_their_content() -> None:
    recorded = record(student("S1"), borrowed())
    assert sorted(rows("SELECT event_id, event_type FROM events")) == sorted(
        zip(recorded.event_ids, ["student_added", "checkout_added"], strict=True)
    )
    assert rows("SELECT DISTINCT kind, key FROM effects") == [("student_embedding", "S1")]


def test_the_last_event_of_the_list_is_the_one_the_ledger_names() -> None:
    record(borrowed())
    recorded = record(borrowed(book_id="B2"), student("S1", age=9), book("B1", "One"))
    assert rows("SELECT key, last_event FROM freshness WHERE kind = 'student_embedding'") == [
        ("S1", recorded.event_ids[2])
    ]


def test_events_about_the_same_student_each_have_their_effect() -> None:
    recorded = record(borrowed(), student("S1", age=9), borrowed(book_id="B2"))
    assert rows("SELECT key, last_event FROM freshness") == [("S1", recorded.event_ids[2])]
    assert {event_id for (event_id,) in rows("SELECT event_id FROM effects")} == set(
        recorded.event_ids
    )


def test_a_loan_sent_with_another_student_and_book_moves_and_makes_both_stale() -> None:
    record(borrowed("S1", "B1", checkout_id="C1"), student("S2"), student("S3"))
    all_fresh()
    recorded = record(borrowed("S2", "B2", checkout_id="C1"))
    assert loans() == [("S2", "B2", DAY, None, None, "C1")]
    assert recorded.outcomes == ["updated"]
    assert stale() == {"S1", "S2"}


def test_two_loans_may_swap_their_ids_in_one_list() -> None:
    record(borrowed("S1", "B1", checkout_id="C1"), borrowed("S2", "B2", checkout_id="C2"))
    record(borrowed("S1", "B1", checkout_id="C2"), borrowed("S2", "B2", checkout_id="C1"))
    assert {(loan[0], loan[5]) for loan in loans()} == {("S1", "C2"), ("S2", "C1")}


def test_a_notification_stands_for_a_batch_of_keys() -> None:
    recorded = record(*(student(f"S{n:03}") for n in range(120)))
    assert [each.key for each in recorded.notifications] == ["S000", "S050", "S100"]


def test_an_event_that_the_database_refuses_leaves_nothing_of_its_list() -> None:
    too_long = student("S2").model_copy(update={"student_id": "x" * 201})
    with pytest.raises(psycopg.errors.CheckViolation):
        record(student("S1"), book("B1", "One"), too_long)
    assert stored() == 0


def test_a_date_of_the_far_past_and_one_of_the_far_future_are_kept() -> None:
    record(
        borrowed(checkout_date="0001-01-01"),
        borrowed(checkout_date="9999-12-31", return_date="9999-12-31"),
    )
    assert rows("SELECT checkout_date::text, return_date::text FROM checkouts ORDER BY 1") == [
        ("0001-01-01", None),
        ("9999-12-31", "9999-12-31"),
    ]
