"""Group commit: lists that share a transaction are accepted as if each had its own."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest

from tests.library import checkout, ledger, rows, student
from tests.processes import eventually
from workers import record_together as module
from workers.events import CheckoutAdded, Event, StudentDeleted
from workers.freshness import Kind
from workers.record_events import Recorded
from workers.record_together import LARGEST_GROUP, SMALL_LIST, record_together

pytestmark = pytest.mark.usefixtures("stores")


def in_one_group(lists: Sequence[Sequence[Event]]) -> list[Future[Recorded]]:
    """Told at the same time by as many threads; they wait until all of them have come."""
    with ThreadPoolExecutor(len(lists)) as pool:
        with module._commit_lock:
            told = []
            for place, events in enumerate(lists):
                told.append(pool.submit(record_together, events))
                eventually(lambda place=place: len(module._waiting) == place + 1)
        return told


def without_the_group(events: Sequence[Event]) -> None:
    """Told while somebody else's group commits, for which it need not wait."""
    with module._commit_lock:
        thread = threading.Thread(target=record_together, args=(events,))
        thread.start()
        thread.join()


def transactions(work: Callable[[], object]) -> int:
    """How many transactions stored events."""
    work()
    ((count,),) = rows("SELECT count(DISTINCT xmin::text) FROM events")
    return int(count)


def test_lists_told_at_once_share_a_transaction_and_each_gets_its_own_answer() -> None:
    lists = [[checkout(f"S{n}", "B1"), student(f"S{n}", age=9)] for n in range(20)]
    told: list[Future[Recorded]] = []
    assert transactions(lambda: told.extend(in_one_group(lists))) == 1
    ids = [event_id for future in told for event_id in future.result().event_ids]
    assert [len(future.result().event_ids) for future in told] == [2] * 20
    assert {event_id for (event_id,) in rows("SELECT event_id FROM events")} == set(ids)
    assert all(future.result().duplicates == 0 for future in told)
    assert len(ledger(Kind.student_embedding, "wanted")) == 20
    # One message wakes a worker for the whole group.
    assert sum(len(future.result().wake_ups) for future in told) == 1


def test_an_event_id_told_by_two_at_once_is_accepted_from_the_first() -> None:
    event_id = uuid4()
    lists = [[checkout("S1", "B1", event_id=event_id)] for _ in range(3)]
    told = in_one_group(lists)
    assert [future.result().duplicates for future in told] == [0, 1, 1]
    assert rows("SELECT count(*) FROM events") == [(1,)]


def test_a_list_that_the_database_refuses_fails_alone() -> None:
    refused = CheckoutAdded.model_construct(
        **{**dict(checkout("S9", "B1")), "student_id": "nul \0", "event_id": None}
    )
    told = in_one_group([[checkout("S1", "B1")], [refused], [checkout("S2", "B1")]])
    with pytest.raises(psycopg.DataError):
        told[1].result()
    assert [told[0].result().duplicates, told[2].result().duplicates] == [0, 0]
    assert set(ledger(Kind.student_embedding, "wanted")) == {"S1", "S2"}


def test_a_group_has_a_limit_and_a_large_list_does_not_join_one() -> None:
    many = [[student(f"S{n}-{m}") for m in range(SMALL_LIST)] for n in range(12)]
    assert transactions(lambda: in_one_group(many)) == -(-12 * SMALL_LIST // LARGEST_GROUP)
    large = [student(f"L{n}") for n in range(SMALL_LIST + 1)]
    without_the_group(large)
    assert len(ledger(Kind.student_embedding, "wanted")) == 12 * SMALL_LIST + len(large)


def test_a_deletion_which_may_wait_for_the_graph_keeps_no_group_waiting() -> None:
    record_together([student("S1")])
    without_the_group([StudentDeleted(event_type="student_deleted", student_id="S1")])
    assert rows("SELECT count(*) FROM students") == [(0,)]
