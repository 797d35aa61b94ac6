"""Group commit: lists that share a transaction are accepted as if each had its own."""

from uuid import uuid4

import psycopg
import pytest

from tests.library import checkout, ledger, rows, student
from tests.triggers import on_insert
from workers.core.vocabulary import Kind
from workers.ingest.events import CheckoutAdded, Event
from workers.ingest.group import record_together
from workers.ingest.record import Recorded

pytestmark = pytest.mark.usefixtures("stores")


def recorded(outcomes: list[Recorded | Exception]) -> list[Recorded]:
    """What became of lists that were all accepted."""
    assert all(isinstance(outcome, Recorded) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, Recorded)]


def test_lists_sent_at_once_share_a_transaction_and_each_gets_its_own_answer() -> None:
    lists: list[list[Event]] = [
        [checkout(f"S{n}", "B1"), student(f"S{n}", age=9)] for n in range(20)
    ]
    answers = recorded(record_together(lists))
    assert rows("SELECT count(DISTINCT xmin::text) FROM events") == [(1,)]
    ids = [event_id for each in answers for event_id in each.event_ids]
    assert [len(each.event_ids) for each in answers] == [2] * 20
    assert {event_id for (event_id,) in rows("SELECT event_id FROM events")} == set(ids)
    assert all(each.duplicates == 0 for each in answers)
    assert len(ledger(Kind.student_embedding, "wanted")) == 20
    # One message notifications a worker for the whole group.
    assert [len(each.notifications) for each in answers] == [1] + [0] * 19


def test_an_event_id_sent_by_two_at_once_is_accepted_from_the_first() -> None:
    event_id = uuid4()
    answers = record_together([[checkout("S1", "B1", event_id=event_id)] for _ in range(3)])
    assert [each.duplicates for each in recorded(answers)] == [0, 1, 1]
    assert rows("SELECT count(*) FROM events") == [(1,)]


def test_a_list_that_the_database_refuses_fails_alone() -> None:
    refused = CheckoutAdded.model_construct(
        **{**dict(checkout("S9", "B1")), "student_rating": 10**6, "event_id": None}
    )
    first, second, third = record_together(
        [[checkout("S1", "B1")], [refused], [checkout("S2", "B1")]]
    )
    assert isinstance(second, psycopg.DataError)
    assert [each.duplicates for each in recorded([first, third])] == [0, 0]
    assert set(ledger(Kind.student_embedding, "wanted")) == {"S1", "S2"}


def test_a_list_that_is_canceled_takes_no_other_along() -> None:
    canceled = "RAISE EXCEPTION USING ERRCODE = 'query_canceled'"
    on_insert("students", canceled, only="NEW.student_id = 'S9'")
    first, second, third = record_together([[checkout(f"S{n}", "B1")] for n in (1, 9, 2)])
    assert isinstance(second, psycopg.errors.QueryCanceled)
    assert [each.duplicates for each in recorded([first, third])] == [0, 0]
    assert set(ledger(Kind.student_embedding, "wanted")) == {"S1", "S2"}


def test_a_database_that_is_down_is_the_answer_to_everybody() -> None:
    on_insert("events", "PERFORM pg_terminate_backend(pg_backend_pid())")
    outcomes = record_together([[checkout("S1", "B1")], [checkout("S2", "B1")]])
    assert [type(outcome) for outcome in outcomes] == [psycopg.errors.AdminShutdown] * 2
    assert rows("SELECT count(*) FROM events") == [(0,)]
