"""Reads that hang hold up neither what tells of it nor each other for ever."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from routes import handler_threads
from routes.handler_threads import readers
from tests.library import rows
from workers.stores import connect

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'students'::regclass"


def test_a_read_that_gets_no_thread_is_told_so_and_the_process_still_says_how_it_is(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_threads, "READ_WAIT_S", 0.3)
    with ThreadPoolExecutor(readers()) as threads:
        with connect() as somebody, somebody.transaction():
            somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
            hanging = [threads.submit(client.get, "/students/S1") for _ in range(readers())]
            while rows(WAITING) != [(readers(),)]:
                time.sleep(0.02)
            refused = client.get("/students/S1")
            assert (refused.status_code, refused.headers["content-type"]) == (
                503,
                "application/problem+json",
            )
            assert client.get("/health/live").status_code == 200
            assert client.get("/health/ready").status_code == 200
        assert [each.result().status_code for each in hanging] == [404] * readers()
    assert client.get("/students/S1").status_code == 404


def test_more_reads_than_threads_are_all_answered(client: TestClient) -> None:
    count = 8 * readers()
    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(lambda n: client.get(f"/students/S{n}"), range(count)))
    assert [each.status_code for each in found] == [404] * count
