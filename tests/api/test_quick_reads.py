"""Reads on the event loop: those that hang hold up neither others for ever, nor what is no read."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from starlette.testclient import TestClient

from routes.http import quick_reads
from routes.http.quick_reads import quick_connections
from tests.library import rows
from tests.processes import eventually
from workers.core.settings import settings
from workers.core.stores import APPLICATION, connect

pytestmark = pytest.mark.slow

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'students'::regclass"
SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = %s AND datname = current_database()
"""
END_OTHERS = """
    SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_a_read_that_gets_no_answer_is_sent_so_and_the_process_still_says_how_it_is(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 2 * quick_connections()
    monkeypatch.setattr(quick_reads, "ANSWER_S", 1)
    with ThreadPoolExecutor(count) as threads, connect() as somebody, somebody.transaction():
        somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
        hanging = [threads.submit(client.get, "/students/S1") for _ in range(count)]
        eventually(lambda: rows(WAITING) == [(quick_connections(),)])
        assert client.get("/health/ready").status_code == 200
        assert client.get("/freshness").status_code == 200
        answers = [each.result(60) for each in hanging]
        assert [each.status_code for each in answers] == [503] * count
        assert {each.headers["content-type"] for each in answers} == {"application/problem+json"}
        eventually(lambda: rows(WAITING) == [(0,)])
    monkeypatch.undo()
    for _ in range(count):
        assert client.get("/students/S1").status_code == 404


def test_a_web_process_has_no_more_connections_than_it_may(
    database_url: str, fresh_settings: None
) -> None:
    from api import app

    most = settings().postgres_pool_size
    large = {"events": [{"event_type": "student_added", "student_id": f"S{n}"} for n in range(500)]}
    with (
        TestClient(app, "http://127.0.0.1", client=("127.0.0.1", 50000)) as client,
        ThreadPoolExecutor(4 * most) as threads,
        psycopg.connect(database_url, autocommit=True) as somebody,
        somebody.transaction(),
    ):
        somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
        for _ in range(2 * most):
            threads.submit(client.get, "/students/S1")
            threads.submit(client.post, "/events", json=large)
        eventually(lambda: somebody.execute(WAITING).fetchall() == [(most,)])
        assert somebody.execute(SESSIONS, [APPLICATION]).fetchall() == [(most,)]


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


def test_a_read_whose_session_ends_meanwhile_is_sent_that_postgres_is_down(
    client: TestClient,
) -> None:
    with ThreadPoolExecutor(1) as threads, connect() as somebody, somebody.transaction():
        somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
        hanging = threads.submit(client.get, "/students/S1")
        eventually(lambda: rows(WAITING) == [(1,)])
        somebody.execute(END_OTHERS)
        assert hanging.result(30).status_code == 503
    assert client.get("/students/S1").status_code == 404
