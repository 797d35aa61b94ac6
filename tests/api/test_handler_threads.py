"""Handlers that hang hold up nobody who asks how the process is."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from anyio.to_thread import current_default_thread_limiter
from starlette.testclient import TestClient

from tests.processes import eventually
from workers.core.stores import connect

pytestmark = pytest.mark.slow


def test_events_that_hang_leave_room_for_who_asks_how_the_process_is(client: TestClient) -> None:
    large = {"events": [{"event_type": "student_added", "student_id": f"S{n}"} for n in range(600)]}
    assert client.portal is not None
    everywhere = client.portal.call(current_default_thread_limiter)
    count = int(everywhere.total_tokens)
    with ThreadPoolExecutor(count + 1) as threads:
        with connect() as somebody, somebody.transaction():
            somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
            hanging = [threads.submit(client.post, "/events", json=large) for _ in range(count)]
            eventually(lambda: everywhere.borrowed_tokens == count)
            assert threads.submit(client.get, "/health/live").result(30).status_code == 200
        # On a slow machine some wait too long for one of a few connections.
        assert {each.result().status_code for each in hanging} <= {202, 503}
