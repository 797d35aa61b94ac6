"""Case 3: the same event id twice is one event, and the second answer says duplicate."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import httpx

from embedded.ports import free_port
from tests.failures.cluster import Cluster
from tests.failures.held import locked, storing
from tests.failures.truth import assert_derived_is_right
from tests.library import book, checkout, rows, shelve
from tests.processes import eventually
from workers.ingest.events import CheckoutAdded


def loan(event_id: UUID) -> CheckoutAdded:
    return checkout("S1", "B1", event_id=event_id)


def assert_it_happened_once(event_id: UUID) -> None:
    assert rows("SELECT event_id FROM events WHERE event_type = 'checkout_added'") == [(event_id,)]
    assert rows("SELECT key, wanted FROM effects WHERE event_id = %s", event_id) == [("S1", 1)]
    assert rows("SELECT wanted, done FROM freshness WHERE kind = 'student_embedding'") == [(1, 1)]
    assert rows("SELECT error FROM attempts WHERE kind = 'student_embedding'") == [(None,)]
    assert_derived_is_right()


def test_an_event_sent_again_is_a_duplicate_even_when_it_took_effect_and_the_api_was_killed(
    cluster: Cluster,
) -> None:
    web, _, _ = cluster.start_all()
    shelve(book("B1", "Title"))
    event_id = uuid4()
    as_id = [str(event_id)]
    first = {"accepted": 1, "duplicates": 0, "event_ids": as_id}
    again = {"accepted": 0, "duplicates": 1, "event_ids": as_id}
    assert cluster.tell([loan(event_id)]) == first
    assert cluster.tell([loan(event_id)]) == again
    cluster.all_fresh(keys=2)
    assert cluster.tell([loan(event_id)]) == again

    web.kill()
    cluster.start_web()
    assert cluster.tell([loan(event_id)]) == again
    twice = {"accepted": 0, "duplicates": 2, "event_ids": as_id * 2}
    assert cluster.tell([loan(event_id), loan(event_id)]) == twice
    assert_it_happened_once(event_id)


def test_two_apis_that_are_sent_the_same_event_at_once_accept_it_once(cluster: Cluster) -> None:
    cluster.start_web()
    other_port = free_port()
    other = cluster.start("web", PORT=other_port)
    other.says("Application startup complete")
    cluster.start_worker()
    cluster.start_scheduler()
    shelve(book("B1", "Title"))
    event = loan(uuid4())
    body = event.model_dump(mode="json", exclude_unset=True)
    with (
        ThreadPoolExecutor(2) as clients,
        locked("LOCK TABLE events IN SHARE MODE") as lock,
    ):
        asked = [
            clients.submit(httpx.post, f"http://127.0.0.1:{port}/events", json=body, timeout=60)
            for port in (cluster.port, other_port)
        ]
        eventually(lambda: storing("INSERT INTO events") == 2, cluster.output)
        lock.rollback()
        answers = [answer.result().json() for answer in asked]
    assert sorted((each["accepted"], each["duplicates"]) for each in answers) == [
        (0, 1),
        (1, 0),
    ]
    assert event.event_id is not None
    cluster.all_fresh(keys=2)
    assert_it_happened_once(event.event_id)
