"""Events sent in one list do what they do one by one; lists sent at once lose nothing."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.library import (
    all_fresh,
    book,
    borrowed,
    change,
    fact,
    loans,
    record,
    returned,
    rows,
    stale,
    student,
)
from tests.triggers import on_insert
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ingest.events import Event
from workers.ingest.record import Recorded, record_events
from workers.students.request import request_recompute

pytestmark = pytest.mark.slow

STUDENTS = st.sampled_from(["S1", "S2", "S3"])
BOOKS = st.sampled_from(["B1", "B2"])
LENT = st.sampled_from(["2026-03-01", "2026-03-02"])
RETURNED = st.sampled_from(["2026-03-03", "2026-03-04"])
AGES = st.sampled_from([None, 8, 9])
RATINGS = st.sampled_from([None, 1, 5])
LOAN_IDS = st.sampled_from([None, "C1", "C2"])


def some(event_type: str, optional: dict[str, Any], **fields: Any) -> st.SearchStrategy[Event]:
    """Events of a type; each of the optional fields is given or not."""
    return st.fixed_dictionaries(fields, optional=optional).map(
        lambda given_fields: fact(event_type, **given_fields)
    )


LOAN = {"student_id": STUDENTS, "book_id": BOOKS, "checkout_date": LENT}
EVENTS = st.one_of(
    # The ids of loans can get into each other's way, so there are many of them.
    some("checkout_added", {"return_date": RETURNED}, checkout_id=LOAN_IDS, **LOAN),
    some("checkout_added", {"checkout_id": LOAN_IDS, "student_rating": RATINGS}, **LOAN),
    some("checkout_returned", {"student_rating": RATINGS}, return_date=RETURNED, **LOAN),
    some("student_updated", {"age": AGES, "grade_level": AGES}, student_id=STUDENTS),
    some("student_deleted", {}, student_id=STUDENTS),
    some("book_updated", {"page_count": AGES}, book_id=BOOKS, title=st.sampled_from("ab")),
    some("book_deleted", {}, book_id=BOOKS),
)


@pytest.fixture(autouse=True)
def _library(stores: None) -> None:
    """Every test begins with an empty one."""


def begin(before: Sequence[Event]) -> None:
    """An emptied library, then these events, then everybody is everybody's neighbour."""
    for table in ("students", "books", "events", "freshness"):
        change(f"DELETE FROM {table}")  # one of four names
    for event in before:
        record(event)
    change(
        "INSERT INTO student_embeddings (student_id, model, dimensions, content_hash, vec)"
        " SELECT student_id, 'm', 3, sha256('x'), '[1, 0, 0]' FROM students"
    )
    change(
        "INSERT INTO student_similarity SELECT x.student_id, y.student_id, 1"
        " FROM students x JOIN students y ON x.student_id <> y.student_id"
    )
    all_fresh()


def facts() -> tuple[list[tuple[Any, ...]], ...]:
    return (
        rows("SELECT student_id, age, grade_level FROM students ORDER BY 1"),
        rows("SELECT book_id, title, page_count FROM books ORDER BY 1"),
        loans(),
    )


def inputs() -> dict[str, Any]:
    """What each student's embedding is made from."""
    students, books, all_loans = facts()
    titles = {book_id: facts for book_id, *facts in books}
    return {
        row[0]: (row, [(loan, titles[loan[1]]) for loan in all_loans if loan[0] == row[0]])
        for row in students
    }


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(EVENTS, max_size=6), st.lists(EVENTS, min_size=2, max_size=8))
def test_a_list_does_what_its_events_do_one_by_one(
    before: list[Event], events: list[Event]
) -> None:
    begin(before)
    for event in events:
        record(event)
    expected = facts()
    stale_one_by_one, stale_lists = stale(), stale(Kind.student_neighbors)

    begin(before)
    inputs_before = inputs()
    record(*events)
    assert facts() == expected
    assert stale(Kind.student_neighbors) == stale_lists
    # A change that the same list takes back needs no work, so there may be less to do, but
    # never less than what differs in the end.
    differing = {key for key, made_from in inputs().items() if inputs_before.get(key) != made_from}
    assert differing <= stale() <= stale_one_by_one


@pytest.mark.parametrize(
    "events",
    [
        [borrowed(), book("B1", "One"), fact("book_deleted", book_id="B1"), borrowed("S2", "B1")],
        [borrowed("S1", "B1", checkout_id="C1"), borrowed("S2", "B2", checkout_id="C1")],
        [borrowed("S4", "B1"), fact("student_deleted", student_id="S3"), student("S5")],
    ],
)
def test_a_list_without_changes_taken_back_makes_the_same_stale(events: list[Event]) -> None:
    before: list[Event] = [borrowed("S3", "B1"), book("B1", "Zero")]
    begin(before)
    for event in events:
        record(event)
    expected = facts(), stale(), stale(Kind.student_neighbors)
    begin(before)
    record(*events)
    assert (facts(), stale(), stale(Kind.student_neighbors)) == expected


@contextmanager
def elsewhere(database_url: str) -> Iterator[psycopg.Connection]:
    """Another client's open transaction, committed at the end of the block."""
    with psycopg.connect(database_url) as conn:
        yield conn


@contextmanager
def in_another_thread() -> Iterator[Callable[..., Future[Recorded]]]:
    with ThreadPoolExecutor(2) as pool:
        yield lambda *events: pool.submit(record_events, events)


def wait_until_blocked() -> None:
    """Returns once somebody in this database waits for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    tries = 0
    while rows(waiting) == [(0,)]:
        tries += 1
        assert tries < 3000, "nobody waits"
        threading.Event().wait(0.01)


@pytest.mark.parametrize(
    ("change_elsewhere", "event", "look", "expected"),
    [
        (
            "UPDATE students SET age = 9",
            student("S1", grade_level=4),
            "SELECT age, grade_level FROM students",
            (9, 4),
        ),
        (
            "UPDATE books SET page_count = 30",
            book("B1", "One", reading_level=2.5),
            "SELECT page_count, reading_level FROM books",
            (30, 2.5),
        ),
        (
            "UPDATE checkouts SET student_rating = 5",
            returned(return_date="2026-03-07"),
            "SELECT student_rating, return_date::text FROM checkouts",
            (5, "2026-03-07"),
        ),
    ],
)
def test_a_field_sent_elsewhere_at_the_same_time_is_not_overwritten(
    database_url: str, change_elsewhere: str, event: Event, look: str, expected: tuple[Any, ...]
) -> None:
    record(student("S1"), book("B1", "One"), borrowed())
    with in_another_thread() as start:
        with elsewhere(database_url) as conn:
            conn.execute(change_elsewhere.encode())
            recorded = start(event)
            wait_until_blocked()
        assert recorded.result().outcomes == ["updated"]
    assert rows(look) == [expected]


def test_a_student_changes_while_a_worker_stores_the_embedding(database_url: str) -> None:
    record(student("S1"))
    with in_another_thread() as start, elsewhere(database_url) as conn:
        # What the foreign key of student_embeddings takes.
        conn.execute("SELECT FROM students WHERE student_id = 'S1' FOR KEY SHARE")
        assert start(student("S1", age=9)).result(timeout=30).outcomes == ["updated"]


def test_a_loan_of_a_student_who_is_deleted_meanwhile_makes_a_stub(database_url: str) -> None:
    record(student("S1", age=9))
    on_insert("checkouts", "PERFORM pg_advisory_xact_lock(7)")
    with in_another_thread() as start:
        with elsewhere(database_url) as conn:
            conn.execute("SELECT pg_advisory_xact_lock(7)")
            recorded = start(borrowed())
            wait_until_blocked()
            change("DELETE FROM students")
        assert recorded.result().outcomes == ["inserted"]
    assert rows("SELECT student_id, age FROM students") == [("S1", None)]
    assert stale() == {"S1"}


def test_a_book_deleted_while_somebody_borrows_it_makes_the_borrower_stale(
    database_url: str,
) -> None:
    record(book("B1", "One"), student("S1"))
    all_fresh()
    with in_another_thread() as start, elsewhere(database_url) as conn:
        conn.execute("INSERT INTO checkouts VALUES ('S1', 'B1', '2026-03-01')")
        start(fact("book_deleted", book_id="B1"))
        wait_until_blocked()
    assert loans() == []
    assert stale() == {"S1"}


def test_a_wish_for_a_recompute_while_the_student_is_deleted_meets_no_deadlock(
    database_url: str,
) -> None:
    record(student("S1"))
    with ThreadPoolExecutor(1) as pool, elsewhere(database_url) as conn:
        # As a deletion does it: the ledger first, then the student.
        conn.execute("SELECT FROM freshness WHERE key = 'S1' FOR UPDATE")
        wish = pool.submit(request_recompute, "S1")
        wait_until_blocked()
        conn.execute("SELECT FROM students WHERE student_id = 'S1' FOR UPDATE")
        conn.commit()
        event_id, _ = wish.result()
    assert rows("SELECT last_event FROM freshness") == [(event_id,)]


@pytest.mark.parametrize("seed", range(5))
def test_two_overlapping_lists_at_once_lose_nothing(seed: int) -> None:
    students = [f"S{n}" for n in range(40)]
    books = [f"B{n}" for n in range(40)]
    gate = threading.Barrier(2)

    def tell(events: list[Event]) -> Recorded:
        gate.wait()
        return record_events(events)

    ahead: list[Event] = [
        event
        for student_id, book_id in zip(students, books, strict=True)
        for event in (
            student(student_id, age=9),
            book(book_id, "One", page_count=30),
            borrowed(student_id, book_id, checkout_id=f"C-{student_id}", student_rating=5),
        )
    ]
    backwards: list[Event] = [
        event
        for student_id, book_id in zip(reversed(students), reversed(books), strict=True)
        for event in (
            returned(student_id=student_id, book_id=book_id, return_date="2026-03-07"),
            book(book_id, "One", reading_level=2.5),
            student(student_id, grade_level=4),
        )
    ]
    with ThreadPoolExecutor(2) as pool:
        sent_both = [pool.submit(tell, events) for events in (ahead, backwards)]
        recorded = [future.result() for future in sent_both]
    assert rows("SELECT DISTINCT age, grade_level FROM students") == [(9, 4)]
    assert rows("SELECT DISTINCT page_count, reading_level FROM books") == [(30, 2.5)]
    assert {loan[2:5] for loan in loans()} == {("2026-03-01", "2026-03-07", 5)}
    assert len(loans()) == 40
    assert stale() == set(students)
    accepted = {event_id for each in recorded for event_id in each.event_ids}
    assert {event_id for (event_id,) in rows("SELECT event_id FROM events")} == accepted


def test_the_same_event_sent_by_two_at_once_is_a_duplicate_once(database_url: str) -> None:
    events = [student(f"S{n}", event_id=f"00000000-0000-0000-0000-{n:012}") for n in range(50)]
    with in_another_thread() as start:
        both = start(*events), start(*reversed(events))
        assert sum(each.result().duplicates for each in both) == 50
    with connection() as conn:
        assert conn.execute("SELECT count(*) FROM students").fetchone() == (50,)
