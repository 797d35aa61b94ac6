"""Case 8: Redis hangs for 12 s and longer: work completes, and no worker stays that is silent."""

import pytest

from tests.failures.cluster import Cluster
from tests.failures.messages import send_delayed, unfinished, waiting
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, shelve
from tests.processes import eventually

pytestmark = pytest.mark.slow

# Once from each of the two consumers, live and delayed, after some 4 s without an answer; then
# they try again. So this often means at least 12 s.
GAVE_UP = "Consumer encountered an unexpected error"
TIMES = 6


def assert_delayed_messages_run(cluster: Cluster) -> None:
    """Those from before as well; of a worker that was killed they come back after 30 s."""
    send_delayed(cluster.servers, "S1", delay_ms=1)
    eventually(
        lambda: unfinished(cluster.servers, "live.DQ") == 0, cluster.output, limit_seconds=180
    )


def test_a_worker_without_delayed_messages_lives_through_it(cluster: Cluster) -> None:
    _, worker, _ = cluster.start_all()
    shelve(*books(3))
    cluster.tell([checkout("S1", "B1")])
    cluster.all_fresh(keys=2)

    cluster.servers.redis.freeze()
    cluster.tell([checkout("S1", "B2"), checkout("S2", "B2")])
    worker.says(GAVE_UP, times=TIMES)
    cluster.servers.redis.thaw()
    cluster.all_fresh(keys=4)
    assert worker.running
    assert "worker_thread_dead" not in worker.output
    assert_delayed_messages_run(cluster)
    assert_derived_is_right()


def test_a_worker_whose_delayed_messages_fell_due_ends_and_the_next_one_takes_them(
    cluster: Cluster,
) -> None:
    _, worker, _ = cluster.start_all()
    shelve(*books(3))
    cluster.tell([checkout("S1", "B1")])
    cluster.all_fresh(keys=2)

    send_delayed(cluster.servers, "S1", delay_ms=5000)
    eventually(lambda: waiting(cluster.servers, "live.DQ") == 0, cluster.output)
    cluster.servers.redis.freeze()
    cluster.tell([checkout("S1", "B2"), checkout("S2", "B2")])
    worker.says("worker_thread_dead")
    # It does not need Redis to end.
    eventually(lambda: not worker.running, cluster.output)

    cluster.supervised = True
    cluster.tend()
    cluster.servers.redis.thaw()
    cluster.all_fresh(keys=4)
    assert_delayed_messages_run(cluster)
    assert_derived_is_right()
