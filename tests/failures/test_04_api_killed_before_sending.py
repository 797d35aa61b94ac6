"""Case 4: the API is killed after its commit and before it sends: the reconciler runs the work."""

import signal
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.failures.cluster import Cluster
from tests.failures.messages import unfinished
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, rows, shelve
from tests.processes import eventually


def test_an_api_killed_between_commit_and_send_loses_neither_the_event_nor_its_work(
    cluster: Cluster,
) -> None:
    web = cluster.start_web()
    shelve(*books(1))
    event = checkout("S1", "B0", event_id=uuid4())
    cluster.servers.redis.freeze()
    with ThreadPoolExecutor(1) as client:
        telling = client.submit(cluster.tell, [event])
        # Committed; it waits for a Redis that does not answer.
        eventually(
            lambda: rows("SELECT FROM events WHERE event_id = %s", event.event_id), cluster.output
        )
        web.kill()
        with pytest.raises(httpx.TransportError):
            telling.result()
    # What the API had written to the frozen server's socket goes with it.
    cluster.servers.redis.restart(signal.SIGKILL)
    assert unfinished(cluster.servers) == 0

    cluster.start_all()
    cluster.all_fresh(keys=2)
    # The client got no answer, so it asks again.
    assert cluster.tell([event])["duplicates"] == 1
    cluster.all_fresh(keys=2)
    assert rows("SELECT wanted FROM freshness WHERE kind = 'student_embedding'") == [(1,)]
    assert_derived_is_right()
