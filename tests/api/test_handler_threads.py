"""Handlers that hang hold up nobody who asks how the process is."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest
from anyio.to_thread import current_default_thread_limiter
from psycopg_pool import PoolTimeout
from starlette.testclient import TestClient

from routes.http import threads
from routes.http.problems import Problem
from tests.processes import eventually
from workers.core.stores import connect

pytestmark = pytest.mark.slow


def test_events_that_hang_leave_room_for_who_asks_how_the_process_is(client: TestClient) -> None:
    large = {"events": [{"event_type": "student_added", "student_id": f"S{n}"} for n in range(600)]}
    assert client.portal is not None
    everywhere = client.portal.call(current_default_thread_limiter)
    count = int(everywhere.total_tokens)
    with ThreadPoolExecutor(count + 1) as askers:
        with connect() as somebody, somebody.transaction():
            somebody.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
            hanging = [askers.submit(client.post, "/events", json=large) for _ in range(count)]
            eventually(lambda: everywhere.borrowed_tokens == count)
            assert askers.submit(client.get, "/health/live").result(30).status_code == 200
        # On a slow machine some wait too long for one of a few connections.
        assert {each.result().status_code for each in hanging} <= {202, 503}


def test_who_waits_too_long_for_others_that_go_on_is_not_taken_for_an_outage(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "ANSWER_S", 1.0)

    async def ask(works: list[Callable[[], None]]) -> list[object]:
        asked = [threads.compute(work) for work in works]
        return await asyncio.gather(*asked, return_exceptions=True)

    # Of four turns of .4 s each the last would begin when it is too late; who is before it goes on.
    turns: list[Callable[[], None]] = [partial(time.sleep, 0.4)] * (4 * threads.COMPUTING)
    assert client.portal is not None
    outcomes = client.portal.call(ask, turns)
    late = [each for each in outcomes if isinstance(each, Exception)]
    assert late
    assert {type(each) for each in late[-threads.COMPUTING :]} == {Problem}


def test_where_nobody_goes_on_it_is_an_outage(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "ANSWER_S", 0.5)
    answered = Event()

    async def ask() -> list[object]:
        first = [asyncio.ensure_future(threads.compute(answered.wait)) for _ in range(8)]
        await asyncio.sleep(0.1)
        asked = [*first, threads.compute(answered.wait)]
        return await asyncio.gather(*asked, return_exceptions=True)

    assert client.portal is not None
    outcomes = client.portal.call(ask)
    answered.set()
    assert {type(each) for each in outcomes} == {PoolTimeout}
