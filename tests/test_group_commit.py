"""Lists of events that wait for the same commit: who shares it, and who does not wait for whom."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from routes.events import SMALL_BODY_BYTES
from routes.group_commit import GroupCommit
from tests.library import checkout, ledger, rows, student
from tests.processes import eventually
from workers.events import Event
from workers.freshness import Kind
from workers.record_events import Recorded
from workers.record_together import LARGEST_GROUP, SMALL_LIST
from workers.stores import connect

TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM events"
BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def told_at_once(lists: Sequence[Sequence[Event]]) -> list[Recorded]:
    async def tell() -> list[Recorded]:
        commits = GroupCommit()
        return await asyncio.gather(*(commits.record(events) for events in lists))

    return asyncio.run(tell())


def test_who_comes_while_others_are_committed_is_the_next_group(stores: None) -> None:
    told = told_at_once([[student(f"S{n}")] for n in range(50)])
    assert rows("SELECT count(*) FROM students") == [(50,)]
    assert [len(each.event_ids) for each in told] == [1] * 50
    assert rows(TRANSACTIONS) == [(1,)], "all had come before the first commit could begin"


def test_a_group_has_a_limit(stores: None) -> None:
    lists = [[student(f"S{n}-{m}") for m in range(SMALL_LIST)] for n in range(12)]
    told_at_once(lists)
    assert rows(TRANSACTIONS) == [(-(-12 * SMALL_LIST // LARGEST_GROUP),)]
    assert len(ledger(Kind.student_embedding, "wanted")) == 12 * SMALL_LIST


def test_a_caller_that_goes_away_takes_nobody_along(stores: None) -> None:
    async def tell() -> Recorded:
        commits = GroupCommit()
        first, going, last = (
            asyncio.create_task(commits.record([student(f"S{n}")])) for n in range(3)
        )
        await asyncio.sleep(0)
        going.cancel()
        await first
        return await last

    assert asyncio.run(tell()).duplicates == 0
    assert rows("SELECT count(*) FROM students") == [(3,)], "it was told, and may be known"


@pytest.mark.parametrize(
    "told",
    [
        {"event_type": "student_deleted", "student_id": "S1"},
        {"events": [{"event_type": "student_added", "student_id": f"L{n}"} for n in range(101)]},
        {
            "events": [
                {"event_type": "book_added", "book_id": f"B{n}", "title": "x" * 900}
                for n in range(20)
            ]
        },
    ],
    ids=["a deletion, which may wait for the graph", "a large list", "a large body"],
)
def test_what_has_a_transaction_of_its_own_keeps_no_group_waiting(
    client: TestClient, told: dict[str, object]
) -> None:
    client.post("/events", json={"event_type": "student_added", "student_id": "S1"})
    with ThreadPoolExecutor(1) as threads:
        with connect() as somebody, somebody.transaction():
            somebody.execute("LOCK TABLE students, books IN SHARE ROW EXCLUSIVE MODE")
            alone = threads.submit(client.post, "/events", json=told)
            eventually(lambda: rows(BLOCKED) == [(1,)])
            post = {"event_type": "post_deleted", "post_id": "P1"}
            assert client.post("/events", json=post).status_code == 202
            assert not alone.done()
        assert alone.result().status_code == 202


def test_a_small_body_is_one_that_is_parsed_at_once(client: TestClient) -> None:
    events = [checkout(f"S{n}", "B1").model_dump(mode="json", exclude_none=True) for n in range(99)]
    assert len(str(events)) < SMALL_BODY_BYTES
    assert client.post("/events", json={"events": events}).json()["accepted"] == 99
