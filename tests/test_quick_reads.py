"""Reads on the event loop: those that hang hold up neither others for ever, nor what is no read."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from routes import quick_reads
from routes.quick_reads import quick_connections
from tests.library import rows
from tests.processes import eventually
from workers.stores import connect

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'students'::regclass"
END_OTHERS = """
    SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_a_read_that_gets_no_connection_is_told_so_and_the_process_still_says_how_it_is(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_reads, "WAIT_S", 0.3)
    with ThreadPoolExecutor(quick_connections()) as threads:
        with connect() as somebody, somebody.transaction():
            somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
            hanging = [
                threads.submit(client.get, "/students/S1") for _ in range(quick_connections())
            ]
            eventually(lambda: rows(WAITING) == [(quick_connections(),)])
            refused = client.get("/students/S1")
            assert (refused.status_code, refused.headers["content-type"]) == (
                503,
                "application/problem+json",
            )
            assert client.get("/health/ready").status_code == 200
            assert client.get("/freshness").status_code == 200
        assert [each.result().status_code for each in hanging] == [404] * quick_connections()
    assert client.get("/students/S1").status_code == 404


def test_more_reads_than_connections_are_all_answered(client: TestClient) -> None:
    count = 8 * quick_connections()
    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(lambda n: client.get(f"/students/S{n}"), range(count)))
    assert [each.status_code for each in found] == [404] * count


def test_a_read_after_postgres_ended_every_session_is_answered(client: TestClient) -> None:
    for _ in range(3):
        assert client.get("/students/S1").status_code == 404
        with connect() as somebody:
            somebody.execute(END_OTHERS)
        assert client.get("/students/S1").status_code == 404


def test_a_read_whose_session_ends_meanwhile_is_told_that_postgres_is_down(
    client: TestClient,
) -> None:
    with ThreadPoolExecutor(1) as threads, connect() as somebody, somebody.transaction():
        somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
        hanging = threads.submit(client.get, "/students/S1")
        eventually(lambda: rows(WAITING) == [(1,)])
        somebody.execute(END_OTHERS)
        assert hanging.result(30).status_code == 503
    assert client.get("/students/S1").status_code == 404
