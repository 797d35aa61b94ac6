"""A Postgres that does not answer: who asks is answered in time; what is sent again counts once."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from routes.http import group_commit, quick_reads
from tests.library import rows
from tests.processes import eventually
from workers.core.stores import APPLICATION, connect

SESSIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = %s AND datname = current_database() AND pid <> pg_backend_pid()
"""


@contextmanager
def frozen_sessions() -> Iterator[None]:
    """The server's processes behind every connection that is open now stand still."""
    with connect() as conn:
        pids = [pid for (pid,) in conn.execute(SESSIONS, [APPLICATION])]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_whoever_asks_is_answered_and_an_event_that_is_sent_again_counts_once(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"event_type": "student_added", "student_id": "S1", "event_id": str(uuid4())}
    other = {"event_type": "student_added", "student_id": "S2"}
    assert client.post("/events", json=other).status_code == 202
    assert client.get("/students/S2").status_code == 200
    monkeypatch.setattr(group_commit, "ANSWER_S", 1)
    monkeypatch.setattr(quick_reads, "ANSWER_S", 1)
    with frozen_sessions():
        answer = client.post("/events", json=event)
        assert (answer.status_code, answer.json()["detail"]) == (
            503,
            "Postgres gave no answer in time; send it again, with an event_id of your own",
        )
        assert client.get("/students/S2").status_code == 503
        assert client.get("/health/live").status_code == 200
    monkeypatch.undo()
    eventually(lambda: rows("SELECT count(*) FROM events") == [(2,)])
    again = client.post("/events", json=event)
    assert (again.status_code, again.json()["duplicates"]) == (202, 1)
    assert client.get("/students/S2").status_code == 200


def test_who_asks_whether_the_process_lives_does_not_wait_for_who_asks_whether_it_is_ready(
    client: TestClient,
) -> None:
    with ThreadPoolExecutor(9) as threads:
        with frozen_sessions():
            waiting = [threads.submit(client.get, "/health/ready") for _ in range(8)]
            live = threads.submit(client.get, "/health/live").result(60)
            assert live.status_code == 200
            assert not all(each.done() for each in waiting)
        assert {each.result().status_code for each in waiting} <= {200, 503}
