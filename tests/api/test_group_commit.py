"""Lists of events that wait for the same commit: who shares it, and who does not wait for whom."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from psycopg_pool import PoolTimeout
from starlette.testclient import TestClient

from routes.api import events
from routes.http import group_commit
from routes.http.group_commit import MAX_EVENTS, MAX_LISTS, GroupCommit
from routes.http.problems import Problem
from tests.library import ledger, rows, student
from tests.processes import eventually
from workers.core.stores import connect
from workers.core.stores import stores as open_clients
from workers.core.vocabulary import Kind
from workers.ingest.events import Event
from workers.ingest.record import Recorded

TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM events"
BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@contextmanager
def nobody_commits() -> Iterator[None]:
    """What is recorded meanwhile waits."""
    with connect() as somebody, somebody.transaction():
        somebody.execute("LOCK TABLE students, books IN SHARE ROW EXCLUSIVE MODE")
        yield


def together(lists: Sequence[Sequence[Event]]) -> list[Recorded]:
    async def record_all() -> list[Recorded]:
        commits = GroupCommit()
        return await asyncio.gather(*(commits.record(events) for events in lists))

    return asyncio.run(record_all())


def test_who_comes_while_others_are_committed_is_the_next_group(stores: None) -> None:
    async def record_all() -> list[Recorded]:
        commits = GroupCommit()
        with nobody_commits():
            first = asyncio.create_task(commits.record([student("S0")]))
            while commits.commits is None or commits.queue:
                await asyncio.sleep(0.01)
            others = [asyncio.create_task(commits.record([student(f"S{n}")])) for n in range(1, 20)]
            while len(commits.queue) < len(others):
                await asyncio.sleep(0.01)
        return await asyncio.gather(first, *others)

    recorded = asyncio.run(record_all())
    assert rows("SELECT count(*) FROM students") == [(20,)]
    assert [len(each.event_ids) for each in recorded] == [1] * 20
    # One message wakes a worker for each group.
    assert [len(each.notifications) for each in recorded] == [1, 1] + [0] * 18
    assert rows(TRANSACTIONS) == [(2,)]


@pytest.mark.parametrize(("lists", "events"), [(12, 100), (MAX_LISTS + 5, 1)])
def test_a_group_has_a_limit(stores: None, lists: int, events: int) -> None:
    together([[student(f"S{n}-{m}") for m in range(events)] for n in range(lists)])
    assert rows(TRANSACTIONS) == [(max(-(-lists * events // MAX_EVENTS), -(-lists // MAX_LISTS)),)]
    assert len(ledger(Kind.student_embedding, "wanted")) == lists * events


def test_a_caller_that_goes_away_takes_nobody_along(stores: None) -> None:
    async def record_all() -> list[Recorded]:
        commits = GroupCommit()
        with nobody_commits():
            going, waiting = (
                asyncio.create_task(commits.record([student(name)])) for name in ("S1", "S2")
            )
            while commits.commits is None or commits.queue:
                await asyncio.sleep(0.01)
            gone = asyncio.create_task(commits.record([student("S3")]))
            while not commits.queue:
                await asyncio.sleep(0.01)
            gone.cancel()
            going.cancel()
        return [await waiting]

    (recorded,) = asyncio.run(record_all())
    assert len(recorded.notifications) == 1, "the first caller of the group did not live to send it"
    assert {key for (key,) in rows("SELECT student_id FROM students")} == {"S1", "S2"}


def test_when_no_commit_can_begin_everybody_hears_it(stores: None) -> None:
    async def record_all() -> list[Recorded | BaseException]:
        commits = GroupCommit()
        commits.thread.shutdown()
        recorded = (commits.record([student(f"S{n}")]) for n in range(3))
        return await asyncio.gather(*recorded, return_exceptions=True)

    assert [type(each) for each in asyncio.run(record_all())] == [RuntimeError] * 3


def test_who_gets_no_answer_is_asked_to_send_it_again(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "ANSWER_S", 0.5)

    async def record_all() -> list[Recorded | BaseException]:
        commits = GroupCommit()
        with nobody_commits():
            first = asyncio.create_task(commits.record([student("S0")]))
            while commits.commits is None or commits.queue:
                await asyncio.sleep(0.01)
            second = commits.record([student("S1")])
            recorded = await asyncio.gather(first, second, return_exceptions=True)
        assert commits.commits is not None
        await commits.commits
        return list(recorded)

    recorded = asyncio.run(record_all())
    assert [each.status for each in recorded if isinstance(each, Problem)] == [503, 503]
    assert rows("SELECT student_id FROM students") == [("S0",)], "the second had not begun"


def test_when_there_is_no_connection_nobody_waits_for_it_twice(
    stores: None,
) -> None:
    pool = open_clients().pool
    pool.timeout = 1

    async def record_all(count: int) -> list[Recorded | BaseException]:
        commits = GroupCommit()
        recorded = (commits.record([student(f"S{n}")]) for n in range(count))
        return await asyncio.gather(*recorded, return_exceptions=True)

    taken = [pool.getconn() for _ in range(pool.max_size)]
    refused = asyncio.run(record_all(3 * MAX_LISTS))
    assert {type(each) for each in refused} == {PoolTimeout}
    assert pool.get_stats()["requests_errors"] == 1
    for conn in taken:
        pool.putconn(conn)
    assert [type(each) for each in asyncio.run(record_all(3))] == [Recorded] * 3


def test_a_committed_event_is_answered_while_the_workers_cannot_be_notified(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable = threading.Event()
    monkeypatch.setattr(events, "NOTIFY_S", 0.2)
    monkeypatch.setattr(events, "_notify", lambda *_: reachable.wait(60))
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(client.post, "/events", json=post(f"S{n}")) for n in range(8)]
        assert [each.result(50).status_code for each in answers] == [202] * 8
    assert not reachable.is_set()
    reachable.set()
    assert rows("SELECT count(*) FROM students") == [(8,)]


def post(student_id: str) -> dict[str, object]:
    return {"event_type": "student_added", "student_id": student_id}


@pytest.mark.parametrize(
    "sent",
    [
        {"event_type": "student_deleted", "student_id": "S1"},
        {"events": [post(f"L{n}") for n in range(501)]},
        {
            "events": [
                {"event_type": "book_added", "book_id": f"B{n}", "title": "x" * 900}
                for n in range(20)
            ]
        },
    ],
    ids=["a deletion, which may wait for the graph", "a list of many values", "a large body"],
)
def test_what_has_a_transaction_of_its_own_keeps_no_group_waiting(
    client: TestClient, sent: dict[str, object]
) -> None:
    assert client.post("/events", json=post("S1")).status_code == 202
    with ThreadPoolExecutor(2) as threads:
        with nobody_commits():
            alone = threads.submit(client.post, "/events", json=sent)
            eventually(lambda: rows(BLOCKED) == [(1,)])
            other = {"event_type": "post_deleted", "post_id": "P1"}
            assert threads.submit(client.post, "/events", json=other).result(60).status_code == 202
            assert not alone.done()
        assert alone.result().status_code == 202
