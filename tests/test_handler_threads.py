"""Reads that hang hold up neither others for ever, nor what is no read."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from anyio.to_thread import current_default_thread_limiter
from starlette.testclient import TestClient

from routes import handler_threads
from routes.handler_threads import quick_threads
from tests.library import rows
from tests.processes import eventually
from workers.stores import connect

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'students'::regclass"


def test_a_read_that_gets_no_thread_is_told_so_and_the_process_still_says_how_it_is(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_threads, "QUICK_WAIT_S", 0.3)
    with ThreadPoolExecutor(quick_threads()) as threads:
        with connect() as somebody, somebody.transaction():
            somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
            hanging = [threads.submit(client.get, "/students/S1") for _ in range(quick_threads())]
            eventually(lambda: rows(WAITING) == [(quick_threads(),)])
            refused = client.get("/students/S1")
            assert (refused.status_code, refused.headers["content-type"]) == (
                503,
                "application/problem+json",
            )
            assert client.get("/health/ready").status_code == 200
            assert client.get("/freshness").status_code == 200
        assert [each.result().status_code for each in hanging] == [404] * quick_threads()
    assert client.get("/students/S1").status_code == 404


def test_more_reads_than_threads_are_all_answered(client: TestClient) -> None:
    count = 8 * quick_threads()
    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(lambda n: client.get(f"/students/S{n}"), range(count)))
    assert [each.status_code for each in found] == [404] * count


def test_events_that_hang_leave_room_for_who_asks_how_the_process_is(client: TestClient) -> None:
    event = {"event_type": "student_added", "student_id": "S1"}
    assert client.portal is not None
    everywhere = client.portal.call(current_default_thread_limiter)
    count = int(everywhere.total_tokens)
    with ThreadPoolExecutor(count + 1) as threads:
        with connect() as somebody, somebody.transaction():
            somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
            hanging = [threads.submit(client.post, "/events", json=event) for _ in range(count)]
            eventually(lambda: everywhere.borrowed_tokens == count)
            assert threads.submit(client.get, "/health/live").result(30).status_code == 200
        assert [each.result().status_code for each in hanging] == [202] * count
